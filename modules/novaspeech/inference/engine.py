"""Recording × grid × encoder → arrays: each window on its own. Here is what runs a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch

from novaspeech.audio.buffer import BoolArray, FloatArray, WindowBatch, WindowGrid, window_batches
from novaspeech.audio.recording import Recording
from novaspeech.errors import ModelError
from novaspeech.inference.encoder import Encoder, float32_products
from novaspeech.segments import Stretch

Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Encoded:
    """A session's outputs.

    Attributes:
        values: output's name → (count, D) float32, row i for window i, or (1, D) for an output of the whole recording;
            zeros where there was no usable audio.
        usable: (count,) bool, which windows had usable audio; all of them if nothing was asked of windows.
        stretches: name of each discrete annotation → its rows.
    """

    values: dict[str, FloatArray]
    usable: BoolArray
    stretches: dict[str, list[Stretch]] = field(default_factory=dict)


def encode_recording(
    recording: Recording,
    grid: WindowGrid,
    encoder: Encoder,
    names: Sequence[str],
    *,
    batch_size: int,
    precision: str = "auto",
    whole: Sequence[str] = (),
    progress: Progress = lambda completed, total: None,
    log: Callable[[str], None] = print,
) -> Encoded:
    """Encodes every window of `grid`; while the encoder works, the next batch is read.

    Args:
        names: the outputs wanted of windows, of those in `encoder.dimensions`.
        batch_size: the most windows in one pass through the model.
        precision: the option of that name.
        whole: the outputs wanted of the recording as a whole.
        progress: called with the windows done and their total.
        log: takes a line about what the user should know.

    Raises:
        RecordingError: the recording cannot be read to its end.
        ModelError: usable audio gave NaN or infinite values.
    """
    windows = {name: np.zeros((grid.count, encoder.dimensions[name]), np.float32) for name in names}
    usable = np.full(grid.count, not names)
    with torch.inference_mode(), float32_products(precision, encoder.device):
        encoder = encoder.adapted(recording, log)
        wholes = _encode_whole(recording, encoder, whole, precision, log) if whole else {}
        blocks = recording.blocks(encoder.sampling_rate)
        batches = window_batches(blocks, grid, encoder.sampling_rate, batch_size, padding=encoder.padding)
        runner = Runner(encoder, names, batch_size, log)
        for first, batch in read_ahead(batches) if names else ():
            for rows, outputs in runner.run(first, batch):
                for name, values in windows.items():
                    values[rows] = outputs[name].float().cpu().numpy()
                    check_finite(values[rows], rows.start * grid.stride_ms, grid.stride_ms, precision)
                usable[rows] = True
                progress(rows.stop, grid.count)
    if not names or not usable[-1]:
        progress(grid.count, grid.count)
    return Encoded(windows | wholes, usable)


def _encode_whole(
    recording: Recording, encoder: Encoder, names: Sequence[str], precision: str, log: Callable[[str], None]
) -> dict[str, FloatArray]:
    """Each output (1, D) of the recording as a whole."""
    outputs = encoder.encode_whole(recording, names)
    values = {name: np.zeros((1, encoder.dimensions[name]), np.float32) for name in names}
    for name in names:
        if name not in outputs:
            log(f"{recording.name} holds NaN or infinite samples: zeros in {name}, which is of the whole recording")
            continue
        values[name][0] = outputs[name].float().cpu().numpy()
        if not np.isfinite(values[name]).all():
            raise _not_finite("of the whole recording", precision)
    return values


class Runner:
    """Passes batches through an encoder, in parts that fit its memory."""

    def __init__(self, encoder: Encoder, names: Sequence[str], batch_size: int, log: Callable[[str], None]) -> None:
        self._encoder = encoder
        self._names = names
        self._size = min(batch_size, encoder.best_batch or batch_size)
        self._log = log
        self._shrunk = False

    def run(self, first: int, batch: WindowBatch) -> Iterator[tuple[slice, dict[str, torch.Tensor]]]:
        """Rows of each part, and its outputs (B, D); `first` is the row of the batch's first window."""
        done = 0
        batch = batch.to(self._encoder.device)
        while done < len(batch):
            part = batch[done : min(done + self._size, len(batch))]
            try:
                outputs = self._encoder.encode(part, self._names)
            except RuntimeError as error:  # CUDA has a class of its own for it, MPS has not
                if "out of memory" not in str(error) or len(part) == 1:
                    raise
                self._size, self._shrunk = len(part) // 2, True
                torch.cuda.empty_cache()
                continue
            if self._shrunk:
                self._log(f"out of GPU memory: going on with {self._size} windows at once")
                self._shrunk = False
            yield slice(first + done, first + done + len(part)), outputs
            done += len(part)


def read_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items; the next is made in a thread while the caller works on one."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="novaspeech-reader") as reader:
        upcoming = reader.submit(next, items, None)
        while (item := upcoming.result()) is not None:
            upcoming = reader.submit(next, items, None)
            yield item


def check_finite(rows: FloatArray, start_ms: float, step_ms: float, precision: str) -> None:
    """Raises ModelError if a row (n, D), of which there is one every `step_ms`, has NaN or infinite values."""
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise _not_finite(f"at {(start_ms + int(bad[0]) * step_ms) / 1000:.3f} s", precision)


def _not_finite(place: str, precision: str) -> ModelError:
    remedy = "use precision=float32" if precision in ("float16", "bfloat16") else "the weights may be damaged"
    return ModelError(f"the model gave NaN or infinite values for intact audio {place}; {remedy}")
