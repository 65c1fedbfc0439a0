"""Base classes of models: they take windows, long chunks, or the recording in one pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch

from novaspeech.audio.grid import samples_per_ms
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import Statistics, WindowBatch
from novaspeech.hooks import Log
from novaspeech.inference.pooling import HIDDEN, POOLINGS
from novaspeech.models.compute import CPU_FLOAT32, Compute
from novaspeech.models.frames import END, FrameModel


class SpeechModel:
    """Base of `Encoder`, `FrameEncoder` and `Hearer`.

    Args:
        sampling_rate: sampling rate that the model expects, in Hz.
        min_length: samples of the shortest window that the model takes.
        dimensions: name of each output → its number of values D.
        compute: device and number format.

    Attributes:
        model: the part that gives hidden states, if `novaspeech export` can write it for onnxruntime.
        pretrained: the whole transformers model, if `model` is only its backbone.
        fingerprint: hash of the weights, if a module asks for it.
    """

    model: FrameModel | None = None
    pretrained: Any = None
    fingerprint = ""

    def __init__(
        self, *, sampling_rate: int, min_length: int, dimensions: Mapping[str, int], compute: Compute = CPU_FLOAT32
    ) -> None:
        self.sampling_rate = sampling_rate
        self.min_length = min_length
        self.dimensions = dimensions
        self.compute = compute

    @property
    def min_length_ms(self) -> int:
        """`min_length` in milliseconds, rounded up.

        Raises:
            RequestError: the model's rate has no whole number of samples in a millisecond.
        """
        return -(-self.min_length // samples_per_ms(self.sampling_rate))

    def __str__(self) -> str:
        return str(self.compute)


class Encoder(SpeechModel, ABC):
    """Turns windows of signal into vectors or scores.

    Attributes:
        padding: samples beyond the recording's ends, "edge" or "zeros".
        max_length_ms: maximum length of a window with its contexts, in ms. Attention takes memory and time with its
            square: windows of ten minutes would fill any machine.
        max_batch: maximum number of windows in one pass; None: as many as fit into memory.
    """

    padding = "edge"
    max_length_ms = 60_000
    max_batch: int | None = None

    @abstractmethod
    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        """Name of each output → (B, D), one row a window. No side effects.

        Args:
            batch: windows on the device of `compute`, with `statistics_of` their recording.
            names: wanted outputs; all others may be left out.
        """

    def statistics_of(self, recording: Recording, log: Log) -> Statistics:
        """Statistics of the whole recording that its windows need, (1, …) each; none by default.

        Args:
            log: takes a line about what was found.
        """
        return ()


class _Framewise(SpeechModel):
    """A model that gives a frame every `frame_hop` samples, from which windows are pooled.

    Attributes:
        frame_hop: samples from one frame to the next.
        frame_length: samples that a frame is computed from, before the model's own context.
        pooling: how a window's frames become one vector, one of `POOLINGS`.
    """

    frame_hop: int
    frame_length: int
    pooling = "mean"

    @property
    def frame_seconds(self) -> float:
        """Seconds from one frame to the next."""
        return self.frame_hop / self.sampling_rate

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        """Outputs (B, D) from the pooled frames `HIDDEN` (B, D) float32; here these themselves, as the only output."""
        return dict.fromkeys(self.dimensions, pooled)


class FrameEncoder(_Framewise, Encoder):
    """An encoder whose model gives hidden states over time: of a window, or of long chunks of a recording.

    Args:
        model: the part that gives hidden states.
        dimensions: see `SpeechModel`.
        compute: device and number format.
        min_length: samples of the shortest window; None means one frame.

    Attributes:
        layers: numbers of the layers, or `END`, whose hidden states are averaged and then pooled.
        max_chunks: maximum number of chunks in one pass.
    """

    model: FrameModel
    layers: Collection[int]

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
        self.max_chunks = 1 if self.compute.on_cpu else 8

    def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        """Name → (B, F, D) float32, frame f for samples [f*frame_hop, f*frame_hop + frame_length) of each window.

        Args:
            batch: windows on the device of `compute`; or chunks, with `model.front.statistics_of` their recording.
            names: wanted frames: `HIDDEN`, or others that the encoder has.
        """
        layers = list(self.model.hidden_states(batch, self.layers).values())
        return {HIDDEN: layers[0] if len(layers) == 1 else torch.stack(layers).mean(dim=0)}

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return self.head(POOLINGS[self.pooling](self.frames(batch, [HIDDEN])[HIDDEN]), names)

    def __str__(self) -> str:
        return str(self.model.network)


class Hearer(_Framewise, ABC):
    """A model that hears a recording in one pass and carries state from step to step, as a recurrent network does.

    `Inference.frames` gives its frames, and `Inference.encode` pools them for windows.
    """

    @abstractmethod
    def hear(self, pieces: Iterator[torch.Tensor], names: Collection[str]) -> Iterator[dict[str, torch.Tensor]]:
        """Name → consecutive frames (F, D) float32, frame f for samples [f*frame_hop, f*frame_hop + frame_length).

        A generator: state lives in its local variables. It gives frames as pieces come, any number at a time.

        Args:
            pieces: the signal, consecutive pieces (n,) float32 on the device of `compute`.
            names: wanted frames: `HIDDEN`, or others that the model has.
        """
