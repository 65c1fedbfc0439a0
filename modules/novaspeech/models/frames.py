"""A model of hidden states over time: its front makes features, its network is a transformer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from novaspeech.audio.signal import Signal
from novaspeech.audio.windows import Statistics, WindowBatch
from novaspeech.errors import OptionError
from novaspeech.models.compute import Compute

END = -1  # the network's output, in place of a layer's number; it may be normalised once more


class Front(ABC):
    """The part of a model before its transformer: signal → features.

    Attributes:
        sampling_rate: sampling rate of the signal, in Hz.
        frame_hop, frame_length: samples from one frame to the next, and samples that a frame is computed from.
    """

    sampling_rate: int
    frame_hop: int
    frame_length: int

    @abstractmethod
    def __call__(self, batch: WindowBatch) -> torch.Tensor:
        """Features of windows, on the network's device; of chunks if the batch has `statistics_of` a recording."""

    def frame_count(self, samples: int) -> int:
        """Number of frames of a window."""
        return (samples - self.frame_length) // self.frame_hop + 1

    def samples_used(self, samples: int) -> int:
        """Number of a chunk's first samples that its frames are computed from."""
        return (self.frame_count(samples) - 1) * self.frame_hop + self.frame_length

    def statistics_of(self, signal: Signal) -> Statistics:
        """Statistics (1, …) of a whole recording that the model normalises by; chunks that carry them agree."""
        return ()


class Network(Protocol):
    """A transformer: features → hidden states. Its layers are 0, the first layer's input, to `last`."""

    last: int

    def __call__(self, features: torch.Tensor, wanted: Collection[int]) -> dict[int, torch.Tensor]:
        """Number of each wanted layer, or `END` → its hidden states (B, F, D)."""


class TorchNetwork:
    """A transformers network in torch.

    Attributes:
        module: the network on its device.
    """

    def __init__(self, module: Any, layers: Any, compute: Compute) -> None:
        self.module = module.to(compute.device, compute.dtype)
        self.last, self._layers, self._compute = len(layers), layers, compute

    def __call__(self, features: torch.Tensor, wanted: Collection[int]) -> dict[int, torch.Tensor]:
        if set(wanted) == {END}:
            return {END: self.module(features).last_hidden_state}
        outputs = self.module(features, output_hidden_states=True)
        return {layer: outputs.last_hidden_state if layer == END else outputs.hidden_states[layer] for layer in wanted}

    def keep(self, layer: int) -> None:
        """Drops the layers above this one, which will not be wanted, so that they are not computed."""
        # One more layer stays: the last layer's output would be normalised.
        del self._layers[layer + 1 :]

    def __str__(self) -> str:
        return str(self._compute)


@dataclass(frozen=True)
class FrameModel:
    """A model of hidden states: front and transformer; `width` is the number of values D of a frame."""

    front: Front
    network: Network
    width: int
    folder: Path

    def hidden_states(self, batch: WindowBatch, wanted: Collection[int]) -> dict[int, torch.Tensor]:
        """Number of each wanted layer, or `END` → its hidden states (B, F, D) float32."""
        states = self.network(self.front(batch), wanted)
        count = self.front.frame_count(batch.length)
        return {layer: rows[:, :count].float() for layer, rows in states.items()}


def layer_index(layer: int | str, last: int, *, otherwise: str = "") -> int:
    """Index from 0 of the layer that an option names; -1 is the last. `otherwise` are other values that it may have."""
    try:
        index = int(layer)
    except ValueError:
        index = last + 1  # no model has it
    if not -last - 1 <= index <= last:
        raise OptionError(
            f"option 'layer' is {layer!r}; this model has the layers 0 to {last}; -1 is its last{otherwise}"
        )
    return index % (last + 1)
