"""A signal in batches of windows or of long chunks: neighbours overlap, and each sample is held once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch

from novaspeech.arrays import BoolArray, FloatArray, bridged, runs
from novaspeech.audio.grid import WindowGrid, samples_per_ms
from novaspeech.audio.signal import Signal

BATCH_SECONDS = 60  # maximum seconds of signal in a batch, unless one window is longer
LEAST_SKIPPED = 25  # gaps in a row that are left out; fewer would cause more, smaller passes than they save

# Statistics of a whole recording that a model normalises by, such as mean and deviation: tensors with one row for all
# windows, or a row for each.
Statistics: TypeAlias = "tuple[torch.Tensor, ...]"


@dataclass(frozen=True)
class WindowBatch:
    """Neighbouring windows as one piece of signal, so that their overlap exists once.

    Attributes:
        signal: (S,) float32, from the start of the first window to the end of the last.
        length: samples of one window.
        hop: samples from the start of one window to the start of the next.
        statistics: those of the windows' recording, (1, …) each; of several recordings (B, …).
    """

    signal: torch.Tensor
    length: int
    hop: int
    statistics: Statistics = ()

    @classmethod
    def joined(cls, batches: Sequence[WindowBatch]) -> WindowBatch:
        """The windows of several batches, all of one length, side by side; a single batch as it is."""
        if len(batches) == 1:
            return batches[0]
        length = batches[0].length
        signal = torch.cat([batch.windows.reshape(-1) for batch in batches])
        columns = zip(*(batch.statistics for batch in batches), strict=True)
        statistics = tuple(
            torch.cat([part.expand(len(batch), *part.shape[1:]) for part, batch in zip(column, batches, strict=True)])
            for column in columns
        )
        return cls(signal, length, length, statistics)

    @property
    def windows(self) -> torch.Tensor:
        """(B, length) float32: the windows, a view of `signal`."""
        return self.signal.unfold(0, self.length, self.hop)

    def __len__(self) -> int:
        return (self.signal.shape[0] - self.length) // self.hop + 1

    def __getitem__(self, part: slice) -> WindowBatch:
        """The windows `part.start` to `part.stop` (both within the batch) as a batch of their own."""
        first, last = part.start * self.hop, (part.stop - 1) * self.hop + self.length
        statistics = tuple(one if len(one) == 1 else one[part] for one in self.statistics)
        return WindowBatch(self.signal[first:last], self.length, self.hop, statistics)

    def bridged(self) -> WindowBatch:
        """The same batch with straight lines over NaN and infinite samples."""
        signal = self.signal.numpy()
        finite = np.isfinite(signal)
        return self if finite.all() else replace(self, signal=torch.from_numpy(bridged(signal, finite)))

    def to(self, device: torch.device) -> WindowBatch:
        """A copy with its signal on `device`."""
        statistics = tuple(part.to(device) for part in self.statistics)
        return WindowBatch(sent(self.signal, device), self.length, self.hop, statistics)


def sent(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The host's values on `device`; CUDA copies them while the host goes on."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)  # CUDA does so from pinned memory only


def window_batches(
    signal: Signal, grid: WindowGrid, batch_size: int, padding: str = "edge"
) -> Iterator[tuple[int, WindowBatch]]:
    """The windows of a signal that hold usable audio, in order.

    A window is left out when it holds a NaN or infinite sample, when its frame starts after the last sample, or when it
    lies among `LEAST_SKIPPED` gaps of the grid or more.
    The index that comes with each batch shows the gap.

    Args:
        grid: the windows wanted.
        batch_size: maximum number of windows in a batch.
        padding: samples before the first and after the last one: "edge" repeats that sample, as the servers do; "zeros"
            is silence.

    Yields:
        index of the batch's first window, and the batch.
    """
    per_ms = samples_per_ms(signal.rate)
    length, hop, left = grid.length_ms * per_ms, grid.stride_ms * per_ms, grid.left_ms * per_ms
    # A batch also holds the signal between windows that lie far apart.
    batch_size = min(batch_size, max(1, (BATCH_SECONDS * signal.rate - length) // hop))
    computed = np.ones(grid.count, bool)
    for begin, end in runs(~grid.wanted()):
        computed[begin:end] = end - begin < LEAST_SKIPPED
    for first in range(0, min(grid.count, -(-signal.samples // hop)), batch_size):
        size = min(batch_size, grid.count - first)
        if not computed[first : first + size].any():
            continue
        start = first * hop - left
        samples = padded(signal, start, start + (size - 1) * hop + length, padding)
        usable = usable_windows(samples, size, length, hop)
        usable &= computed[first : first + size] & ((first + np.arange(size)) * hop < signal.samples)
        whole = WindowBatch(torch.from_numpy(samples), length, hop)
        for begin, end in runs(usable):
            yield first + begin, whole[begin:end]


def padded(signal: Signal, start: int, stop: int, padding: str) -> FloatArray:
    """Samples [start, stop) of a signal, (stop - start,) float32, also beyond its ends."""
    inner = signal.read(max(0, min(start, signal.samples)), max(0, min(stop, signal.samples)))
    before, after = max(0, min(stop, 0) - start), max(0, stop - max(start, signal.samples))
    if not before and not after:
        return inner
    edge = padding == "edge"
    first, last = (signal.read(index, index + 1)[0] if edge else 0 for index in (0, signal.samples - 1))
    return np.concatenate([np.full(before, first, np.float32), inner, np.full(after, last, np.float32)])


def chunk_batches(signal: Signal, length: int, hop: int, batch_size: int) -> Iterator[tuple[int, WindowBatch, bool]]:
    """A signal in overlapping chunks of `length` samples, one every `hop`; the last one is as long as what is left.

    The chunks depend on the signal alone, not on `batch_size`.

    Args:
        batch_size: maximum number of chunks in a batch.

    Yields:
        index of the batch's first chunk, the chunks, and whether they are the last chunk, which comes alone.
    """
    inner = max(0, -(-(signal.samples - length) // hop))
    for first in range(0, inner, batch_size):
        size, start = min(batch_size, inner - first), first * hop
        samples = signal.read(start, start + (size - 1) * hop + length)
        yield first, WindowBatch(torch.from_numpy(samples), length, hop), False
    rest = torch.from_numpy(signal.read(inner * hop, signal.samples))
    yield inner, WindowBatch(rest, len(rest), hop), True


def usable_windows(signal: FloatArray, size: int, length: int, hop: int) -> BoolArray:
    """(size,) bool: which windows of `signal` hold finite samples only."""
    finite = np.isfinite(signal)
    if finite.all():
        return np.ones(size, bool)
    bad = np.concatenate([[0], np.cumsum(~finite)])
    starts = np.arange(size) * hop
    return np.asarray(bad[starts + length] == bad[starts])
