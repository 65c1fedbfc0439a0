"""Frames of a recording, and their means over the windows of a grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.audio.grid import WindowGrid, samples_per_ms
from novaspeech.audio.recording import Recording
from novaspeech.inference.encoder import HIDDEN, FrameEncoder


@dataclass(frozen=True)
class FrameBlock:
    """Consecutive frames of a recording.

    Attributes:
        first: index of the first frame.
        values: name → (F, D) float32.
        usable: (F,), which frames heard finite samples only.
        last: whether the recording ends with them.
    """

    first: int
    values: dict[str, FloatArray]
    usable: BoolArray
    last: bool

    @property
    def end(self) -> int:
        """Index of the frame after the last one."""
        return self.first + len(self.usable)

    def until(self, end: int) -> FrameBlock:
        """The frames before `end`, as the last ones if it lies within the block."""
        count = end - self.first
        if count >= len(self.usable):
            return replace(self, last=self.last or count == len(self.usable))
        values = {name: rows[:count] for name, rows in self.values.items()}
        return FrameBlock(self.first, values, self.usable[:count], True)


class FramePool:
    """Means over the frames of each window: those whose middle lies in it, or the nearest frame if none does.

    Args:
        grid: the windows.
        encoder: the encoder that gives the frames.
        width: values D of a frame; 0 if only `usable` is wanted.

    Attributes:
        end: index of the frame from which on no window needs any.
    """

    def __init__(self, grid: WindowGrid, encoder: FrameEncoder, width: int) -> None:
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
        self._starts = np.arange(grid.count) * grid.stride_ms / 1000  # of the windows' own frames, in s
        self._sums = np.zeros((grid.count, width), np.float32)
        self._counts, self._bad = np.zeros(grid.count, int), np.zeros(grid.count, int)
        self._last, self._last_usable = np.zeros(width, np.float32), False

    def add(self, block: FrameBlock) -> None:
        """Takes the recording's next frames."""
        count = len(block.usable)
        rows = np.flatnonzero((self._begin < block.end) & (self._end > block.first))
        begin = np.maximum(self._begin[rows] - block.first, 0)
        end = np.minimum(self._end[rows] - block.first, count)
        self._counts[rows] += end - begin
        bad = np.concatenate([[0], np.cumsum(~block.usable)])
        self._bad[rows] += bad[end] - bad[begin]
        if self._sums.shape[1]:
            # A frame that cannot be used may be NaN, which sums would carry on to those after it.
            hidden = np.where(block.usable[:, None], block.values[HIDDEN], 0).astype(np.float64)
            sums = np.concatenate([np.zeros((1, hidden.shape[1])), np.cumsum(hidden, axis=0)])
            self._sums[rows] += (sums[end] - sums[begin]).astype(np.float32)
            self._last = block.values[HIDDEN][-1]
        self._last_usable = bool(block.usable[-1])

    def finish(self, recording: Recording) -> tuple[FloatArray, BoolArray]:
        """Means (count, D), zeros where there is nothing usable, and which windows are usable (count,).

        Usable are those that start in the recording and heard no bad frame.
        """
        inside = self._starts < recording.samples / recording.rate
        late = inside & (self._counts == 0)  # between the last frame's middle and the recording's end
        self._sums[late], self._counts[late] = self._last, 1
        usable = inside & (self._bad == 0) & (~late | self._last_usable)
        self._sums /= np.maximum(1, self._counts)[:, None]
        self._sums[~usable] = 0
        return self._sums, usable
