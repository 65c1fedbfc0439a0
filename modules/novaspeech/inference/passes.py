"""Passes through a model: on its device, within its memory, with finite outputs only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch

from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import ModelError
from novaspeech.hooks import Log
from novaspeech.models.compute import Compute
from novaspeech.wording import advice

T = TypeVar("T")

# Words of torch's errors when memory is full → that memory: on a GPU, on Linux and macOS, on Windows.
_FULL = {"out of memory": "GPU memory", "can't allocate memory": "memory", "not enough memory": "memory"}


@dataclass(frozen=True)
class Part:
    """Neighbouring windows or chunks of one recording.

    Attributes:
        number: number of the recording.
        first: index of the first window or chunk in it.
        batch: the windows or chunks.
        alone: whether they share no pass with those of other recordings.
        usable: (F,) bool, of chunks: whether each frame is computed from finite samples only.
    """

    number: int
    first: int
    batch: WindowBatch
    alone: bool = False
    usable: BoolArray | None = None


# Windows or chunks of a part in a pass: their indices in the recording, and their rows among the pass's outputs.
Span: TypeAlias = "tuple[Part, slice, slice]"


@dataclass
class Passes:
    """Passes windows or chunks through a model: of several recordings at once, and in batches that fit its memory.

    Attributes:
        run_model: `encode` or `frames` of an encoder.
        compute: device and number format.
        names: wanted outputs.
        size: maximum number of windows in one pass; halved when memory is full.
        unit: name of the rows in messages, "windows" or "chunks".
        log: takes a line when memory was full.
    """

    run_model: Callable[[Any, Collection[str]], dict[str, torch.Tensor]]
    compute: Compute
    names: Collection[str]
    size: int
    unit: str
    log: Log

    def run(self, parts: Iterable[Part], most: int) -> Iterator[tuple[list[Span], dict[str, torch.Tensor]]]:
        """The parts' rows in each pass, and the model's outputs for them, float32 on its device.

        Args:
            most: maximum samples that parts of several recordings have together.

        Raises:
            ModelError: a single window does not fit into memory.
        """
        for group in _grouped(parts, most):
            batch = WindowBatch.joined([part.batch for part in group])
            done, full = 0, ""
            while done < len(batch):
                rows = batch[done : min(done + self.size, len(batch))]
                outputs = self._attempt(rows)
                if isinstance(outputs, str):
                    # The failed pass's tensors are free only out here, where nothing refers to them any more.
                    self.compute.release_memory()
                    self.size, full = len(rows) // 2, outputs
                    continue
                if full:
                    self.log(f"out of {full}: going on with {self.size} {self.unit} at once")
                    full = ""
                yield list(_spans(group, done, done + len(rows))), outputs
                done += len(rows)

    def _attempt(self, rows: WindowBatch) -> dict[str, torch.Tensor] | str:
        """The model's outputs; or the memory that is full, if a smaller part may fit."""
        try:
            with self.compute.active():
                outputs = self.run_model(rows.to(self.compute.device), self.names)
                return {name: outputs[name].float() for name in self.names}
        except (RuntimeError, MemoryError) as error:  # only CUDA has a class of its own for full memory
            full = _full_memory(error)
            if not full:
                raise
            if len(rows) == 1:
                on_cpu = self.compute.device.type == "cpu"
                elsewhere = "compute on a machine with more" if on_cpu else advice("device", "cpu")
                raise ModelError(
                    f"out of {full} with one of the {self.unit} alone ({rows.length} samples); make the frame or a "
                    f"context shorter, take a smaller model, or {elsewhere}"
                ) from error
        return full


def _grouped(parts: Iterable[Part], most: int) -> Iterator[list[Part]]:
    """Parts that share passes: of one length, of several recordings, with at most `most` samples together."""
    waiting: dict[int, list[Part]] = {}
    for part in parts:
        if part.alone:
            yield [part]
            continue
        length = part.batch.length
        group = waiting.setdefault(length, [])
        count = sum(len(other.batch) for other in group) + len(part.batch)
        if group and (group[-1].number == part.number or count * length > most):
            yield waiting.pop(length)
        waiting.setdefault(length, []).append(part)
    yield from waiting.values()


def _spans(group: Sequence[Part], begin: int, end: int) -> Iterator[Span]:
    """Rows [begin, end) of joined parts."""
    row = 0
    for part in group:
        first, last = max(begin, row), min(end, row + len(part.batch))
        if first < last:
            shift = part.first - row
            yield part, slice(first + shift, last + shift), slice(first - begin, last - begin)
        row += len(part.batch)


def _full_memory(error: BaseException) -> str:
    """The memory that an error says is full; "" if it says something else."""
    if isinstance(error, MemoryError):  # NumPy and Python raise it
        return "memory"
    return next((memory for text, memory in _FULL.items() if text in str(error)), "")


def to_host(items: Iterable[tuple[T, Mapping[str, torch.Tensor]]]) -> Iterator[tuple[T, dict[str, FloatArray]]]:
    """Each item with its tensors as arrays; CUDA copies them while it works on the next item."""
    waiting: deque[tuple[T, dict[str, torch.Tensor], torch.cuda.Event | None]] = deque()
    for key, tensors in items:
        copies = {name: _copy(tensor) for name, tensor in tensors.items()}
        event = None
        if any(tensor.is_cuda for tensor in tensors.values()):
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        waiting.append((key, copies, event))
        while len(waiting) > (event is not None):
            yield _arrived(*waiting.popleft())
    yield from (_arrived(*one) for one in waiting)


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor in the host's memory, or on its way there."""
    if not tensor.is_cuda:
        return tensor.cpu()
    # CUDA copies in the background to pinned memory only.
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)


def _arrived(
    key: T, copies: Mapping[str, torch.Tensor], event: torch.cuda.Event | None
) -> tuple[T, dict[str, FloatArray]]:
    """An item with its arrays; waits until they are there."""
    if event:
        event.synchronize()
    return key, {name: tensor.numpy() for name, tensor in copies.items()}


def check_rows(rows: FloatArray, start_ms: float, step_ms: float, compute: Compute) -> None:
    """Raises ModelError if one of the rows (n, D), one every `step_ms`, has NaN or infinite values."""
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        check_finite(rows[bad[0]], f"at {(start_ms + int(bad[0]) * step_ms) / 1000:.3f} s", compute)


def check_finite(values: FloatArray, place: str, compute: Compute) -> None:
    """Raises ModelError if values are NaN or infinite; `place` names their part of the recording."""
    if not np.isfinite(values).all():
        half = compute.dtype != torch.float32
        raise ModelError(
            f"the model gave NaN or infinite values for intact audio {place}; "
            f"{'use precision=float32' if half else 'the weights may be damaged'}"
        )
