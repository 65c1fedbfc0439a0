"""Floating-point operations: those of a run, and those that a device can do at the most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch.utils import flop_counter

from benchmarks.machine import timed
from novaspeech.models.compute import Compute

Shape = Sequence[int]


def counting() -> flop_counter.FlopCounterMode:
    """Inside it counts the operations of matrix products, convolutions, attention and recurrent layers."""
    return flop_counter.FlopCounterMode(display=False, custom_mapping=_MORE)


def _attention(query: Shape, key: Shape, value: Shape, *rest: object, **named: object) -> int:
    """Two products, (F, D) with (D, K) and (F, K) with (K, V), for each head of each window."""
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _lstm_layer(steps: Shape, inputs: Shape, hidden: Shape, *rest: object, **named: object) -> int:
    """Of one direction, with weights (4 H, D) for its inputs and (4 H, H) for its hidden state."""
    return 2 * steps[0] * steps[1] * (math.prod(inputs) + math.prod(hidden))


def _cudnn_lstm_layer(steps: Shape, weights: Sequence[Shape], *rest: object, **named: object) -> int:
    return _lstm_layer(steps, weights[0], weights[1])


# What torch runs as one, and FlopCounterMode does not know.
_MORE = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten.mkldnn_rnn_layer: _lstm_layer,
    torch.ops.aten._cudnn_rnn: _cudnn_lstm_layer,
}


class Peak:
    """The fastest of some square matrix products, measured again at each call.

    Args:
        compute: where, and in which number format.

    Attributes:
        per_second: floating-point operations per second.
    """

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self.per_second = 0.0

    def __call__(self) -> None:
        """Measures once more."""
        compute = self._compute
        for size in (2048, 4096) if compute.on_cpu else (8192, 16384):
            left, right = (torch.randn(size, size, device=compute.device).to(compute.dtype) for _ in range(2))
            with compute.products():
                for _ in range(2):
                    # As layers multiply: some CPU kernels are slow for any other layout.
                    seconds = timed(partial(torch.nn.functional.linear, left, right), compute.device)[0]
                    self.per_second = max(self.per_second, 2 * size**3 / seconds)
