"""What a model is to the rest of novaspeech; where it computes and in which number format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from typing_extensions import Self

from novaspeech.audio.buffer import WindowBatch, samples_per_ms
from novaspeech.audio.recording import Recording
from novaspeech.errors import OptionError


class Encoder(ABC):
    """Turns windows of signal into vectors or scores.

    Attributes:
        sampling_rate: what the model expects, in Hz.
        min_length: samples of the shortest window that the model takes.
        padding: what stands beyond the recording's ends, "edge" or "zeros".
        device: where it computes.
        dimensions: name of each output that `encode` or `encode_whole` can give → its number of values D.
    """

    padding = "edge"

    def __init__(
        self, *, sampling_rate: int, min_length: int, device: torch.device, dimensions: dict[str, int]
    ) -> None:
        self.sampling_rate = sampling_rate
        self.min_length = min_length
        self.device = device
        self.dimensions = dimensions

    @property
    def min_length_ms(self) -> int:
        """`min_length` in milliseconds, rounded up.

        Raises:
            RequestError: the model's rate has no whole number of samples in a millisecond.
        """
        return -(-self.min_length // samples_per_ms(self.sampling_rate))

    @property
    def best_batch(self) -> int | None:
        """The most windows that one pass should hold, None for as many as memory takes.

        On a CPU larger batches only fall out of its caches: of w2v-BERT 2.0, 25 windows at once ran 1.2 times
        as fast as 250 (BENCHMARKS.md).
        """
        return 25 if self.device.type == "cpu" else None

    @abstractmethod
    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        """Name of each output → (B, D), one row a window. No side effects.

        Args:
            batch: on `device`.
            names: the outputs that must be there; what only others need may be left out.
        """

    def adapted(self, recording: Recording, log: Callable[[str], None]) -> Self:
        """The encoder for the windows of `recording`, if it has to know something of the whole of it: a copy then.

        Args:
            recording: may be read once more for it, block by block.
            log: takes a line about what was found.
        """
        return self

    def encode_whole(self, recording: Recording, names: Collection[str]) -> dict[str, torch.Tensor]:
        """Name of each output that stands for the recording as a whole → (D,). Asked of the adapted encoder.

        Args:
            names: the outputs that must be there; none of them is where the recording has no usable audio for it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no output of a whole recording")

    def __str__(self) -> str:
        return str(self.device)


class FrameEncoder(Encoder):
    """An encoder whose model gives a hidden state every `frame_hop` samples, and whose outputs are pooled from them.

    Attributes:
        frame_hop: samples from one hidden state to the next.
        frame_length: samples that a hidden state is computed from, before the model's own context.
    """

    frame_hop: int
    frame_length: int

    @abstractmethod
    def frames(self, batch: WindowBatch) -> torch.Tensor:
        """Hidden states (B, F, D) of each window, frame f for samples [f*frame_hop, f*frame_hop + frame_length)."""

    @abstractmethod
    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        """The outputs (B, D) of `encode` from the mean of hidden states over time (B, D)."""

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return self.head(self.frames(batch).mean(dim=1, dtype=torch.float32), names)


class ChunkEncoder(Encoder):
    """An encoder of long overlapping chunks, which gives a hidden state every `frame_hop` samples.

    Its `encode` gives (B, F, D), frame f for samples [f*frame_hop, f*frame_hop + frame_length) of its chunk; samples
    that are NaN count as silence. `sampling_rate` is a multiple of `frame_hop`. Windows may be shorter than a frame.

    Attributes:
        frame_hop: samples from one hidden state to the next.
        frame_length: samples that a hidden state is computed from, before the model's own context.
    """

    frame_hop: int
    frame_length: int

    @property
    def best_batch(self) -> int | None:
        return 1 if self.device.type == "cpu" else 8


def choose_device(name: str) -> torch.device:
    """The device that the option `device` means; "auto" takes CUDA, then MPS, then the CPU.

    Raises:
        OptionError: the device asked for is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, available in there.items() if available))
    if not there.get(name):
        available = ", ".join(device for device, available in there.items() if available)
        raise OptionError(
            f"option 'device' is {name!r}, which torch {torch.__version__} does not see here; use {available}"
        )
    return torch.device(name)


def choose_dtype(precision: str) -> torch.dtype:
    """The type of a model's weights for the option `precision`."""
    return {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision, torch.float32)


@contextmanager
def float32_products(precision: str, device: torch.device) -> Iterator[None]:
    """Inside, CUDA multiplies float32 matrices in TF32 if `precision` is "auto", and in full float32 otherwise.

    TF32 keeps 10 bits of the mantissa. The setting belongs to the process, which other modules may share: it is
    put back, and left alone for other devices.
    """
    if device.type != "cuda":
        yield
        return
    backends: Any = torch.backends
    places: list[tuple[Any, str, object]]
    if hasattr(backends.cuda.matmul, "fp32_precision"):  # torch 2.9 and newer
        wanted = "tf32" if precision == "auto" else "ieee"
        kinds = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
        places = [(place, "fp32_precision", wanted) for place in kinds]
    else:
        places = [(place, "allow_tf32", precision == "auto") for place in (backends.cuda.matmul, backends.cudnn)]
    before = [getattr(place, name) for place, name, _ in places]
    try:
        for place, name, value in places:
            setattr(place, name, value)
        yield
    finally:
        for (place, name, _), value in zip(places, before, strict=True):
            setattr(place, name, value)
