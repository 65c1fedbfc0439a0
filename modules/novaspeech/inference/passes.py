"""Passes through a model: on its device, within its memory, with finite outputs only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from novaspeech.arrays import FloatArray
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import ModelError
from novaspeech.hooks import Log
from novaspeech.models.compute import Compute

T = TypeVar("T")

# Words of torch's errors when memory is full → that memory: on a GPU, on Linux and macOS, on Windows.
_FULL = {"out of memory": "GPU memory", "can't allocate memory": "memory", "not enough memory": "memory"}


@dataclass
class Passes:
    """Passes batches through a model, in parts that fit the memory of its device.

    Attributes:
        run_model: `encode` or `frames` of an encoder.
        compute: device and number format.
        names: wanted outputs.
        size: maximum number of windows in one pass; halved when memory is full.
        unit: name of the batch's rows in messages, "windows" or "chunks".
        log: takes a line when memory was full.
    """

    run_model: Callable[[Any, Collection[str]], dict[str, torch.Tensor]]
    compute: Compute
    names: Collection[str]
    size: int
    unit: str
    log: Log

    def run(self, batch: WindowBatch) -> Iterator[tuple[slice, dict[str, torch.Tensor]]]:
        """Rows of each part in the batch, and the model's outputs for it, float32 on its device.

        Raises:
            ModelError: a single window does not fit into memory.
        """
        done, full = 0, ""
        while done < len(batch):
            part = batch[done : min(done + self.size, len(batch))]
            outputs = self._attempt(part)
            if isinstance(outputs, str):
                # The failed pass's tensors are free only out here, where nothing refers to them any more.
                self.compute.release_memory()
                self.size, full = len(part) // 2, outputs
                continue
            if full:
                self.log(f"out of {full}: going on with {self.size} {self.unit} at once")
                full = ""
            yield slice(done, done + len(part)), outputs
            done += len(part)

    def _attempt(self, part: WindowBatch) -> dict[str, torch.Tensor] | str:
        """The model's outputs; or the memory that is full, if a smaller part may fit."""
        try:
            with self.compute.active():
                outputs = self.run_model(part.to(self.compute.device), self.names)
                return {name: outputs[name].float() for name in self.names}
        except (RuntimeError, MemoryError) as error:  # only CUDA has a class of its own for full memory
            full = _full_memory(error)
            if not full:
                raise
            if len(part) == 1:
                raise ModelError(
                    f"out of {full} with one of the {self.unit} alone ({part.length} samples); make the frame or a "
                    f"context shorter, take a smaller model, or compute elsewhere (option 'device')"
                ) from error
        return full


def _full_memory(error: BaseException) -> str:
    """The memory that an error says is full; "" if it says something else."""
    if isinstance(error, MemoryError):  # NumPy and Python raise it
        return "memory"
    return next((memory for text, memory in _FULL.items() if text in str(error)), "")


def to_host(
    items: Iterable[tuple[T, Mapping[str, torch.Tensor]]],
) -> Iterator[tuple[T, dict[str, FloatArray]]]:
    """Each item with its tensors as arrays; CUDA copies them while it works on the next item."""
    waiting: tuple[T, _Arriving] | None = None
    for key, tensors in items:
        arriving = _Arriving(tensors)
        if waiting:
            yield waiting[0], waiting[1].arrays()
        waiting = key, arriving
        if arriving.there:
            waiting = None
            yield key, arriving.arrays()
    if waiting:
        yield waiting[0], waiting[1].arrays()


class _Arriving:
    """Tensors on their way to the host.

    Attributes:
        there: whether they are there already.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._event: torch.cuda.Event | None = None
        self._host = {name: self._sent(tensor) for name, tensor in tensors.items()}
        if self._event:
            self._event.record()

    @property
    def there(self) -> bool:
        return self._event is None

    def arrays(self) -> dict[str, FloatArray]:
        """Name → array; waits until they have arrived."""
        if self._event:
            self._event.synchronize()
        return {name: tensor.numpy() for name, tensor in self._host.items()}

    def _sent(self, tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_cuda:
            return tensor.cpu()
        self._event = self._event or torch.cuda.Event()  # type: ignore[no-untyped-call]
        # CUDA copies in the background to pinned memory only.
        return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)


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
