"""Frames of a recording, pooled over the windows of a grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.audio.grid import WindowGrid, samples_per_ms
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import sent

if TYPE_CHECKING:
    from novaspeech.inference.encoder import FrameEncoder, Hearer

HIDDEN = "hidden"  # name of the frames that every FrameEncoder gives, and that windows pool


def _mean_and_deviation(hidden: torch.Tensor) -> torch.Tensor:
    return torch.cat([hidden.mean(dim=1), hidden.std(dim=1, correction=0)], dim=1)


# Hidden states (B, F, D) float32 → vectors (B, D), with mean_std (B, 2 D).
POOLINGS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": lambda hidden: hidden.mean(dim=1),
    "max": lambda hidden: hidden.amax(dim=1),
    "mean_std": _mean_and_deviation,
}


@dataclass(frozen=True)
class FrameBlock:
    """Consecutive frames of a recording.

    Attributes:
        first: index of the first frame.
        values: name → (F, D) float32, on the device that computed them.
        usable: (F,) bool, whether each frame is computed from finite samples only.
        last: whether the recording ends with this block.
    """

    first: int
    values: dict[str, torch.Tensor]
    usable: BoolArray
    last: bool

    @property
    def end(self) -> int:
        """Index of the frame after the last one."""
        return self.first + len(self.usable)

    def array(self, name: str) -> FloatArray:
        """`values[name]` as an array, of a block in the host's memory."""
        values: FloatArray = self.values[name].numpy()
        return values

    def until(self, end: int) -> FrameBlock:
        """The frames before the index `end`; they are the last ones if it lies within the block."""
        count = end - self.first
        if count >= len(self.usable):
            return replace(self, last=self.last or count == len(self.usable))
        values = {name: rows[:count] for name, rows in self.values.items()}
        return FrameBlock(self.first, values, self.usable[:count], True)


@dataclass(frozen=True)
class Pooled:
    """Windows that have all their frames.

    Attributes:
        rows: indices of the windows.
        values: (n, D) float32 on the frames' device, with mean_std (n, 2 D); zeros where not usable.
        usable: (n,) bool, whether each window starts in the recording and has no bad frame.
    """

    rows: slice
    values: torch.Tensor
    usable: BoolArray


class FramePool:
    """Pools the frames of each window: those whose middle lies in it, or the nearest frame if none does.

    Memory holds only the windows that wait for more frames.

    Args:
        recording: the frames' recording; a window that starts after its end is not usable.
        grid: the windows; its gaps are not usable.
        encoder: the frames' encoder.

    Attributes:
        end: index of the first frame that no window needs.
    """

    def __init__(self, recording: Recording, grid: WindowGrid, encoder: FrameEncoder | Hearer) -> None:
        per_ms = samples_per_ms(encoder.sampling_rate)
        starts = (np.arange(grid.count) * grid.stride_ms - grid.left_ms) * per_ms

        def frame_at(positions: np.ndarray) -> np.ndarray:
            return np.ceil((positions - encoder.frame_length / 2) / encoder.frame_hop).astype(int)

        self._begin = np.maximum(0, frame_at(starts))
        self._end = frame_at(starts + grid.length_ms * per_ms)
        nearest = np.maximum(0, frame_at(starts + grid.length_ms * per_ms / 2 - encoder.frame_hop / 2))
        empty = self._end <= self._begin
        self._begin = np.where(empty, nearest, self._begin)
        self._end = np.where(empty, nearest + 1, self._end)
        self.end = int(self._end.max())
        self._inside = np.arange(grid.count) * grid.stride_ms / 1000 < recording.samples / recording.rate
        self._inside &= grid.wanted()
        self._done = 0  # number of windows given
        self._open = _Sums(encoder.pooling)  # the next windows, which wait for frames
        self._last = FrameBlock(0, {}, np.zeros(0, bool), False)

    def add(self, block: FrameBlock) -> Iterator[Pooled]:
        """Takes the recording's next frames; gives the windows that are complete, after the last frames all others."""
        if self._done == len(self._begin):
            return
        self._take(block, self._done, int(np.searchsorted(self._begin, block.end)))
        self._last = block
        yield self._give(int(np.searchsorted(self._end, block.end, "right")))
        if block.last and self._done < len(self._begin):
            yield self._finish()

    def _finish(self) -> Pooled:
        """The remaining windows, from the frames there are."""
        count = len(self._begin)
        begun = int(np.searchsorted(self._begin, self._last.end))
        # Windows between the last frame's middle and the recording's end take that frame.
        self._begin[begun:], self._end[begun:] = self._last.end - 1, self._last.end
        self._take(self._last, begun, count)
        return self._give(count)

    def _take(self, block: FrameBlock, first: int, end: int) -> None:
        """Adds a block's frames to the windows from `first` to before `end`."""
        begins = np.clip(self._begin[first:end] - block.first, 0, len(block.usable))
        ends = np.clip(self._end[first:end] - block.first, 0, len(block.usable))
        self._open.add(first - self._done, begins, ends, block)

    def _give(self, end: int) -> Pooled:
        rows = slice(self._done, end)
        values, intact = self._open.take(end - self._done)
        self._done = end
        usable = intact & self._inside[rows]
        return Pooled(rows, _only(usable, values), usable)


class _Sums:
    """Windows' frames so far, pooled in float64: their sums, the sums of their squares, or their largest values."""

    def __init__(self, pooling: str) -> None:
        kinds = {"mean": ("sum",), "max": ("max",), "mean_std": ("sum", "squares")}[pooling]
        self._parts = {kind: torch.zeros(0, 0, dtype=torch.float64) for kind in kinds}
        self._counts = self._bad = np.zeros(0, int)

    def add(self, first: int, begins: np.ndarray, ends: np.ndarray, block: FrameBlock) -> None:
        """Adds frames `begins[i]` to before `ends[i]` of a block to window `first + i`, which may be a new one."""
        if not len(begins):
            return
        rows = slice(first, first + len(begins))
        hidden = block.values.get(HIDDEN, torch.zeros(len(block.usable), 0))
        # An unusable frame may be NaN, which running sums would carry on to all later ones.
        hidden = _only(block.usable, hidden.to(_with_float64(hidden.device), torch.float64))
        self._extend(rows.stop - len(self._counts), hidden)
        self._counts[rows] += ends - begins
        bad = np.concatenate([[0], np.cumsum(~block.usable)])
        self._bad[rows] += bad[ends] - bad[begins]
        for kind, part in self._parts.items():
            if kind == "max":
                part[rows] = torch.maximum(part[rows], _largest(hidden, begins, ends))
            else:
                part[rows] += _sums(hidden.square() if kind == "squares" else hidden, begins, ends)

    def _extend(self, more: int, frames: torch.Tensor) -> None:
        """Makes room for `more` windows; `frames` (F, D) show width and device."""
        if more <= 0:
            return
        for kind, part in self._parts.items():
            new = frames.new_full((more, frames.shape[1]), -torch.inf if kind == "max" else 0.0)
            self._parts[kind] = torch.cat([part, new]) if len(part) else new
        self._counts, self._bad = (np.append(old, np.zeros(more, int)) for old in (self._counts, self._bad))

    def take(self, count: int) -> tuple[torch.Tensor, BoolArray]:
        """Removes the first windows: their vectors (count, D), and whether each has no bad frame."""
        counts, intact = np.maximum(1, self._counts[:count])[:, None], (self._bad == 0)[:count]
        parts = {kind: part[:count] for kind, part in self._parts.items()}
        self._parts = {kind: part[count:] for kind, part in self._parts.items()}
        self._counts, self._bad = self._counts[count:], self._bad[count:]
        if "max" in parts:
            return parts["max"].float(), intact
        divisor = sent(torch.from_numpy(counts), parts["sum"].device)
        mean = parts["sum"] / divisor
        if "squares" not in parts:
            return mean.float(), intact
        variance = (parts["squares"] / divisor - mean.square()).clamp_min(0)
        return torch.cat([mean, variance.sqrt()], dim=1).float(), intact


def _with_float64(device: torch.device) -> torch.device:
    return torch.device("cpu") if device.type == "mps" else device


def _only(usable: BoolArray, values: torch.Tensor) -> torch.Tensor:
    """Rows (n, D) with zeros where they are not usable."""
    if usable.all():
        return values
    return values.masked_fill(sent(torch.from_numpy(~usable), values.device).unsqueeze(1), 0)


def _sums(values: torch.Tensor, begins: np.ndarray, ends: np.ndarray) -> torch.Tensor:
    """(n, D) sums of rows `begins[i]` to before `ends[i]`."""
    # Each dimension's frames lie side by side, so that all threads of a GPU have work.
    sums = functional.pad(values.T.contiguous().cumsum(dim=1), (1, 0))
    first, after = (sent(torch.from_numpy(edges), values.device) for edges in (begins, ends))
    return (sums[:, after] - sums[:, first]).T


def _largest(values: torch.Tensor, begins: np.ndarray, ends: np.ndarray) -> torch.Tensor:
    """(n, D) largest values of rows `begins[i]` to before `ends[i]`; -inf without rows."""
    found = values.new_full((len(begins), values.shape[1]), -torch.inf)
    lengths, span = ends - begins, 1
    while len(values) and (lengths >= span).any():
        # Row f is now the largest of rows f to before f + span. Two such rows cover any length up to 2 * span.
        rows = np.flatnonzero((lengths >= span) & (lengths < 2 * span))
        targets, left, right = (
            sent(torch.from_numpy(part), values.device) for part in (rows, begins[rows], ends[rows] - span)
        )
        found[targets] = torch.maximum(values[left], values[right])
        values, span = torch.maximum(values[:-span], values[span:]), 2 * span
    return found
