"""The windows that a request means."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from novaspeech.arrays import BoolArray
from novaspeech.errors import RequestError, quoted

LONGEST_MS = 24 * 3600 * 1000  # maximum frame, stride or context; more is a slip, or meant to do harm


@dataclass(frozen=True)
class WindowGrid:
    """`count` windows; window i is `[i*stride - left, i*stride + frame + right)`, all in milliseconds.

    Output i stands for window i: no window is dropped and none moves.

    Attributes:
        gaps: (count,) bool, windows that are treated as if they had no usable audio; None if there are none.

    Raises:
        RequestError: a length is negative or more than a day, or the frame or stride is 0.
    """

    frame_ms: int
    stride_ms: int
    left_ms: int
    right_ms: int
    count: int
    gaps: BoolArray | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        names = ("frame size", "stride", "left context", "right context")
        lengths = (self.frame_ms, self.stride_ms, self.left_ms, self.right_ms)
        for name, length, least in zip(names, lengths, (1, 1, 0, 0), strict=True):
            if not least <= length <= LONGEST_MS:
                raise RequestError(
                    f"{name} {quoted(length)} ms must be from {least} to {LONGEST_MS} (a day); write for example 40ms"
                )

    @classmethod
    def fit(cls, frame_ms: int, stride_ms: int, left_ms: int, right_ms: int, end_ms: int, name: str = "") -> WindowGrid:
        """The grid of all windows whose stride ends at `end_ms` or before.

        Args:
            name: the recording's name, for messages.

        Raises:
            RequestError: no window fits, or a length is wrong (see `WindowGrid`).
        """
        if end_ms < 0:
            raise RequestError(f"end {quoted(end_ms)} ms must not be negative; 0 is the recording's end")
        grid = cls(frame_ms, stride_ms, left_ms, right_ms, count=end_ms // stride_ms if stride_ms > 0 else 0)
        if not grid.count:
            raise RequestError(
                f"{name}{': ' if name else ''}{end_ms / 1000:.3f} s of audio are shorter than one step of {stride_ms} "
                f"ms: there is no window; take a longer recording, a later end, or a stride of at most "
                f"{max(1, end_ms)} ms"
            )
        return grid

    def __str__(self) -> str:
        return (
            f"{self.count} windows, one every {self.stride_ms} ms: {self.frame_ms} ms with {self.left_ms} ms before "
            f"and {self.right_ms} ms after"
        )

    def wanted(self, rows: slice = slice(None)) -> BoolArray:
        """(n,) bool: which of the windows `rows` are no gaps."""
        return np.ones(self.count, bool)[rows] if self.gaps is None else ~self.gaps[rows]

    @property
    def rate(self) -> float:
        """Windows per second, in Hz."""
        return 1000 / self.stride_ms

    @property
    def drift_ms(self) -> float:
        """Milliseconds that the last window drifts for readers of a stream's file, whose rate has three decimals."""
        return abs(self.rate / round(self.rate, 3) - 1) * self.count * self.stride_ms if round(self.rate, 3) else 0.0

    @property
    def drift_remark(self) -> str:
        """Log line about a `drift_ms` that matters."""
        return (
            f"files hold {self.rate:.6f} Hz (a stride of {self.stride_ms} ms) as {self.rate:.3f}: who reads "
            f"them drifts by {self.drift_ms:.0f} ms over this session; strides of 20, 40, 50 or 100 ms do not"
        )

    @property
    def gap_remark(self) -> str:
        """Log line about a stride beyond the frame: somebody may have meant another unit."""
        return (
            f"each row stands for {self.frame_ms} ms, and there is one every {self.stride_ms} ms: of the "
            f"{self.stride_ms - self.frame_ms} ms between them nothing is said"
        )

    @property
    def length_ms(self) -> int:
        """Length of one window with its contexts, in ms."""
        return self.left_ms + self.frame_ms + self.right_ms


def samples_per_ms(sampling_rate: int) -> int:
    """Samples in a millisecond.

    Raises:
        RequestError: `sampling_rate` is no multiple of 1000 Hz, so that windows would fall between samples.
    """
    if sampling_rate <= 0 or sampling_rate % 1000:
        raise RequestError(f"a model at {sampling_rate} Hz cannot be aligned to milliseconds; multiples of 1000 Hz can")
    return sampling_rate // 1000
