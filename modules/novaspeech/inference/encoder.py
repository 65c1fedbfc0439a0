"""What a model is to the rest of novaspeech."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import torch
from typing_extensions import Self

from novaspeech.audio.grid import samples_per_ms
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import WindowBatch
from novaspeech.hooks import Log
from novaspeech.inference.passes import refuse_absurd
from novaspeech.inference.pooling import HIDDEN, POOLINGS
from novaspeech.models.compute import Compute
from novaspeech.models.frames import END, FrameModel


class Encoder(ABC):
    """Turns windows of signal into vectors or scores.

    Args:
        sampling_rate: what the model expects, in Hz.
        min_length: samples of the shortest window that the model takes.
        dimensions: name of each output of `encode` → its number of values D.
        compute: where and in which number format it computes.

    Attributes:
        model: what gives hidden states, if `novaspeech export` can write it for onnxruntime.
        pretrained: the transformers model that it is the backbone of, if there is more to it.
        fingerprint: digits that stand for the weights, where a module asks for them.
        padding: what stands beyond the recording's ends, "edge" or "zeros".
        max_length_ms: of a window with its contexts that is encoded on its own, in ms. Attention takes memory and time
            with the square of it: windows of ten minutes would fill any machine.
        max_batch: the most windows that one pass should hold, None for as many as memory takes. On a CPU larger
            batches only fall out of its caches: of w2v-BERT 2.0, 25 windows at once ran 1.2 times as fast as 250
            (BENCHMARKS.md).
    """

    model: FrameModel | None = None
    pretrained: Any = None
    fingerprint = ""
    padding = "edge"
    max_length_ms = 60_000

    def __init__(
        self, *, sampling_rate: int, min_length: int, dimensions: Mapping[str, int], compute: Compute | None = None
    ) -> None:
        self.sampling_rate = sampling_rate
        self.min_length = min_length
        self.dimensions = dimensions
        self.compute = compute or Compute()
        self.max_batch: int | None = 25 if self.compute.on_cpu else None

    @property
    def min_length_ms(self) -> int:
        """`min_length` in milliseconds, rounded up.

        Raises:
            RequestError: the model's rate has no whole number of samples in a millisecond.
        """
        return -(-self.min_length // samples_per_ms(self.sampling_rate))

    @abstractmethod
    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        """Name of each output → (B, D), one row a window. No side effects.

        Args:
            batch: on the device of `compute`.
            names: the outputs that must be there; what only others need may be left out.
        """

    def prepared_for(self, recording: Recording, log: Log) -> Self:
        """The encoder for a recording: itself, or a copy that knows what the model takes from the whole of it.

        An encoder that is prepared for this recording already gives itself.

        Args:
            recording: may be read once more for it, block by block.
            log: takes a line about what was found.
        """
        return self

    def __str__(self) -> str:
        return str(self.compute)


class Clips(Protocol):
    """What a `FrameEncoder` needs to know of whole recordings: `novaspeech.inference.together.ClipBatch`."""

    @property
    def batches(self) -> list[WindowBatch]:
        """Those of one length as windows side by side."""


class FrameEncoder(Encoder):
    """An encoder whose model gives a hidden state every `frame_hop` samples, and whose outputs are pooled from them.

    Args:
        model: gives the hidden states.
        dimensions: as of `Encoder`.
        compute: where the model computes.
        min_length: samples of the shortest window; None for those of a frame.

    Attributes:
        frame_hop: samples from one frame to the next.
        frame_length: samples that a frame is computed from, before the model's own context.
        layers: those whose hidden states' mean is pooled, by number, or `END`.
        pooling: how a window's frames become one vector, one of `POOLINGS`.
        max_chunks: the most chunks of a recording that one pass should hold.
    """

    model: FrameModel
    layers: Collection[int]
    pooling = "mean"
    _heard: Recording | None = None  # whose chunks it takes

    def __init__(
        self, model: FrameModel, dimensions: Mapping[str, int], compute: Compute, min_length: int | None = None
    ) -> None:
        self.model, self.layers = model, (END,)
        self.frame_hop, self.frame_length = model.front.frame_hop, model.front.frame_length
        super().__init__(
            sampling_rate=model.front.sampling_rate,
            min_length=min_length or self.frame_length,
            dimensions=dimensions,
            compute=compute,
        )

    @property
    def max_chunks(self) -> int:
        return 1 if self.compute.on_cpu else 8

    @property
    def frame_seconds(self) -> float:
        """Seconds from one frame to the next."""
        return self.frame_hop / self.sampling_rate

    def for_chunks_of(self, recording: Recording) -> Self:
        """The encoder for chunks of a recording that follow each other without a step: itself, or a copy.

        What the model takes from the whole of its input, such as the mean and variance of the signal, is then that of
        the recording, which is read once more for it.

        Raises:
            RecordingError: it cannot be read, or holds numbers that are no sound.
        """
        if recording is self._heard:
            return self
        encoder = copy.copy(self)
        encoder._heard = recording
        encoder.model = self.model.hear(refuse_absurd(recording, self.sampling_rate))
        return encoder

    def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        """Name → (B, F, D) float32, frame f for samples [f*frame_hop, f*frame_hop + frame_length) of each window.

        Args:
            batch: on the device of `compute`; windows, or after `for_chunks_of` chunks.
            names: the frames that must be there: `HIDDEN`, or what else the encoder has.
        """
        return self._mean_of_layers(self.model.hidden_states(batch, self.layers))

    def frames_of(self, clips: Clips, names: Collection[str]) -> dict[str, torch.Tensor]:
        """`HIDDEN` → (B, F, D) float32 of whole recordings with the same number of frames F, in one pass."""
        return self._mean_of_layers(self.model.hidden_states_of(clips.batches, self.layers))

    @staticmethod
    def _mean_of_layers(states: Mapping[int, torch.Tensor]) -> dict[str, torch.Tensor]:
        layers = list(states.values())
        return {HIDDEN: layers[0] if len(layers) == 1 else torch.stack(layers).mean(dim=0)}

    @abstractmethod
    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        """The outputs (B, D) of `encode` from the pooled frames `HIDDEN` (B, D) float32."""

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return self.head(POOLINGS[self.pooling](self.frames(batch, [HIDDEN])[HIDDEN]), names)

    def __str__(self) -> str:
        return str(self.model.network)
