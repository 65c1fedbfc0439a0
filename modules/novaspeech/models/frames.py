"""A model that gives hidden states over time, whatever it hears and whatever runs it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from novaspeech.audio.signal import Signal
from novaspeech.audio.windows import Statistics, WindowBatch
from novaspeech.models.compute import Compute

END = -1  # in place of a layer's number: what the network gives, which may be normalised once more


class Front(Protocol):
    """What comes before a network's transformer.

    Attributes:
        sampling_rate: of the signal, in Hz.
        frame_hop, frame_length: samples from one frame to the next, and that one is computed from.
    """

    sampling_rate: int
    frame_hop: int
    frame_length: int

    def __call__(self, batch: WindowBatch) -> torch.Tensor:
        """What the network takes of windows, on its device; of chunks, if the batch has `statistics_of` a recording."""

    def frame_count(self, samples: int) -> int:
        """Number of frames of a window."""

    def samples_used(self, samples: int) -> int:
        """Number of a chunk's samples, from its begin, that its frames are computed from."""

    def statistics_of(self, signal: Signal) -> Statistics:
        """What the model takes from the whole of its input, such as the signal's mean and variance, (1, …) each.

        Chunks of a recording that carry it agree with their neighbours.
        """


class Network(Protocol):
    """A transformer.

    Attributes:
        last: number of its last layer; 0 is what enters the first.
    """

    last: int

    def __call__(self, features: torch.Tensor, wanted: Collection[int]) -> dict[int, torch.Tensor]:
        """Number of each layer wanted, or `END` → its hidden states (B, F, D)."""

    def keep(self, layer: int) -> None:
        """Nothing above this layer will be wanted."""


class TorchNetwork:
    """A transformers network in torch.

    Args:
        module: takes features first, and `output_hidden_states`.
        layers: its transformer layers, a `ModuleList`.
        compute: where it computes.

    Attributes:
        module: the same, on its device.
    """

    def __init__(self, module: Any, layers: Any, compute: Compute) -> None:
        self.module = module.to(compute.device, compute.dtype)
        self.last, self._layers, self._compute = len(layers), layers, compute

    def __call__(self, features: torch.Tensor, wanted: Collection[int]) -> dict[int, torch.Tensor]:
        """Hidden states (B, F, D) of the layers wanted."""
        if set(wanted) == {END}:
            return {END: self.module(features).last_hidden_state}
        outputs = self.module(features, output_hidden_states=True)
        return {layer: outputs.last_hidden_state if layer == END else outputs.hidden_states[layer] for layer in wanted}

    def keep(self, layer: int) -> None:
        """Lets go what comes after a layer, which is then not computed."""
        # One more stays: what a last layer gives would be normalised.
        del self._layers[layer + 1 :]

    def __str__(self) -> str:
        return str(self._compute)


@dataclass(frozen=True)
class FrameModel:
    """What a model hears, and its transformer.

    Attributes:
        width: number of values D of a frame.
        folder: where the model lies.
    """

    front: Front
    network: Network
    width: int
    folder: Path

    def hidden_states(self, batch: WindowBatch, wanted: Collection[int]) -> dict[int, torch.Tensor]:
        """Number of each layer wanted, or `END` → its hidden states (B, F, D) float32."""
        states = self.network(self.front(batch), wanted)
        count = self.front.frame_count(batch.length)
        return {layer: rows[:, :count].float() for layer, rows in states.items()}
