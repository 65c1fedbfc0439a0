"""Blocks of a recording → batches of windows: padded, overlapping, each sample held once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from novaspeech.arrays import BoolArray, FloatArray, bridged, runs
from novaspeech.audio.grid import WindowGrid, samples_per_ms

BATCH_SECONDS = 60  # of signal in a batch, at the most, unless one window is longer


@dataclass(frozen=True)
class WindowBatch:
    """Neighbouring windows as one piece of signal, so that their overlap exists once.

    Attributes:
        signal: (S,) float32, from the start of the first window to the end of the last.
        length: samples of one window.
        hop: samples from the start of one window to the start of the next.
    """

    signal: torch.Tensor
    length: int
    hop: int

    @property
    def windows(self) -> torch.Tensor:
        """(B, length) float32: the windows, a view of `signal`."""
        return self.signal.unfold(0, self.length, self.hop)

    def __len__(self) -> int:
        return (self.signal.shape[0] - self.length) // self.hop + 1

    def __getitem__(self, part: slice) -> WindowBatch:
        """The windows `part.start` to `part.stop` (both within the batch) as a batch of their own."""
        first, last = part.start * self.hop, (part.stop - 1) * self.hop + self.length
        return WindowBatch(self.signal[first:last], self.length, self.hop)

    def bridged(self) -> WindowBatch:
        """The same with straight lines over samples that are NaN or infinite."""
        signal = self.signal.numpy()
        finite = np.isfinite(signal)
        return self if finite.all() else replace(self, signal=torch.from_numpy(bridged(signal, finite)))

    def to(self, device: torch.device) -> WindowBatch:
        """A copy with its signal on `device`."""
        return WindowBatch(sent(self.signal, device), self.length, self.hop)


def sent(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """What the host holds, on `device`; on its way there for CUDA, where nothing is waited for."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)  # it fetches by itself from pinned memory only


def window_batches(
    blocks: Iterable[FloatArray], grid: WindowGrid, sampling_rate: int, batch_size: int, *, padding: str = "edge"
) -> Iterator[tuple[int, WindowBatch]]:
    """The windows of a recording that hold usable audio, in order.

    A window is left out when it holds a NaN or infinite sample, or when its frame starts after the last sample.
    The caller knows its place by the index that comes with each batch.

    Args:
        blocks: the recording, consecutive pieces (n,) float32.
        grid: the windows wanted.
        sampling_rate: of `blocks`, in Hz, a multiple of 1000, so that a millisecond is a whole number of samples.
        batch_size: the most windows in a batch.
        padding: what stands before the first and after the last sample: "edge" repeats that sample, as the
            servers do; "zeros" is silence.

    Yields:
        index of the batch's first window, and the batch.
    """
    per_ms = samples_per_ms(sampling_rate)
    length, hop, left = grid.length_ms * per_ms, grid.stride_ms * per_ms, grid.left_ms * per_ms
    source = PaddedSignal(blocks, left, padding)
    # Windows far apart have much signal between them, which a batch holds, too.
    batch_size = min(batch_size, max(1, (BATCH_SECONDS * sampling_rate - length) // hop))
    for first in range(0, grid.count, batch_size):
        size = min(batch_size, grid.count - first)
        start = first * hop
        signal = source.read(start, start + (size - 1) * hop + length)
        if source.total is not None and start >= source.total:
            return
        usable = usable_windows(signal, size, length, hop)
        if source.total is not None:
            usable &= (first + np.arange(size)) * hop < source.total
        whole = WindowBatch(torch.from_numpy(signal), length, hop)
        for begin, end in runs(usable):
            yield first + begin, whole[begin:end]


def chunk_batches(
    blocks: Iterable[FloatArray], length: int, hop: int, batch_size: int
) -> Iterator[tuple[int, WindowBatch, bool]]:
    """A recording in overlapping chunks of `length` samples, one every `hop`; the last one is as long as what is left.

    Which chunks there are depends on the recording alone, not on `batch_size`.

    Args:
        blocks: the recording, consecutive pieces (n,) float32.
        batch_size: the most chunks in a batch.

    Yields:
        index of the batch's first chunk, the chunks, and whether they are the last one, which comes alone.
    """
    source, first = PaddedSignal(blocks, 0, "zeros"), 0
    while True:
        start = first * hop
        # One sample more tells whether the recording goes on.
        signal = torch.from_numpy(source.read(start, start + (batch_size - 1) * hop + length + 1).copy())
        inner = batch_size
        if source.total is not None:
            inner = min(batch_size, max(0, -((length + start - source.total) // hop)))
        if inner:
            yield first, WindowBatch(signal[: (inner - 1) * hop + length], length, hop), False
        first += inner
        if inner < batch_size:
            assert source.total is not None
            rest = signal[inner * hop : source.total - start]
            yield first, WindowBatch(rest, len(rest), hop), True
            return


class PaddedSignal:
    """Consecutive, overlapping reads from blocks of signal that are padded at both ends.

    Position 0 is the start of window 0, `left` samples before the recording's first sample.
    """

    def __init__(self, blocks: Iterable[FloatArray], left: int, padding: str) -> None:
        self._blocks = iter(blocks)
        self._padding = padding
        self._left = left
        self._held = np.zeros(0, np.float32)
        self._start = 0  # position of _held[0]
        self._pad_value = np.float32(0)
        self.total: int | None = None  # samples of the recording, known once it has been read to its end

    def read(self, start: int, stop: int) -> FloatArray:
        """Samples at positions [start, stop), (stop - start,) float32. `start` must not go back."""
        pieces, end = [self._held], self._start + len(self._held)
        while end < stop and self.total is None:
            if end <= start:
                pieces, self._start = [], end
            block = self._next(end)
            pieces.append(block)
            end += len(block)
        # Once for all blocks: a batch for a GPU has many.
        held = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
        drop = min(max(0, start - self._start), len(held))
        self._held, self._start = held[drop:], self._start + drop
        missing = stop - self._start - len(self._held)
        if missing > 0:
            self._held = np.append(self._held, np.full(missing, self._pad_value, np.float32))
        return self._held[start - self._start : stop - self._start]

    def _next(self, end: int) -> FloatArray:
        """The next block, the first one with what stands before it; none at the end, which is then known."""
        block = next(self._blocks, None)
        if block is None:
            self.total = end - self._left
            return np.zeros(0, np.float32)
        if not len(block):
            return block
        edge = self._padding == "edge"
        if edge:
            self._pad_value = block[-1]
        if end:
            return block
        return np.concatenate([np.full(self._left, block[0] if edge else 0, np.float32), block])


def usable_windows(signal: FloatArray, size: int, length: int, hop: int) -> BoolArray:
    """(size,) bool: which windows of `signal` hold finite samples only."""
    finite = np.isfinite(signal)
    if finite.all():
        return np.ones(size, bool)
    bad = np.concatenate([[0], np.cumsum(~finite)])
    starts = np.arange(size) * hop
    return np.asarray(bad[starts + length] == bad[starts])
