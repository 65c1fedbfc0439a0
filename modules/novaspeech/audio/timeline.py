"""Frames of sound with timestamps → one continuous signal in which each frame stands where its timestamp says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.audio.signal import BLOCK_SECONDS
from novaspeech.errors import RecordingError

# Maximum error of a timestamp: more than the rounding to whole milliseconds, less than a packet of any common codec
# (20 ms of Opus, 21 ms of AAC at 48 kHz).
TOLERANCE_SECONDS = 0.01
LOOK_AHEAD_SECONDS = 0.5  # sound that must confirm a timestamp that jumps
MAX_GAP_SECONDS = 600
MAX_OVERLAP_SECONDS = 0.2  # maximum that timestamps go back at one time
MAX_OVERLAPS_SECONDS = 1.0  # maximum in the whole recording


@dataclass(frozen=True)
class Frame:
    """A piece of decoded sound.

    Attributes:
        time: time of the first sample, in samples of the file's clock.
        samples: (n, channels) float32.
    """

    time: int
    samples: FloatArray


def without_padding(frames: Iterable[Frame], end: Callable[[], int | None], most: int) -> Iterator[Frame]:
    """Frames up to the end that a file states: its encoder filled the last packet with silence.

    Args:
        end: gives that end in samples, once frames come; None where it is not stated to the sample.
        most: maximum samples of such silence; a file that goes on for longer is wrong about its end, and kept whole.
    """
    beyond: list[Frame] = []
    stated = True
    for frame in frames:
        last = end() if stated else None
        after = frame.time + len(frame.samples)
        beyond.append(frame)
        if last is None or not last < after <= last + most:
            stated = stated and (last is None or after <= last)
            yield from beyond
            beyond = []
    for frame in beyond:
        last = end() or 0
        yield Frame(min(frame.time, last), frame.samples[: max(0, last - frame.time)])


class Timeline:
    """Places frames at their times in one signal.

    Silence precedes sound that starts late. NaN stands for lost packets, so that all else keeps its time. Small steps
    follow a recorder's clock that is a little slow or fast: a sample is repeated, or some are left out. A single
    timestamp that its successors do not confirm is ignored.

    Args:
        name: the recording's name, for messages.
        rate: samples per second, in Hz.
        zero: start of the recording, in samples of the file's clock; None means the first frame's time.
    """

    def __init__(self, name: str, rate: int, zero: int | None) -> None:
        self._name, self._rate, self._zero = name, rate, zero
        self._tolerance = int(TOLERANCE_SECONDS * rate)
        self._held: deque[tuple[int, FloatArray]] = deque()  # frames, each with its offset: time less samples before it
        self._shift = 0  # samples given less samples taken
        self._before: int | None = None  # offset of the previous frame
        self._last: FloatArray | None = None  # (1, channels): the last sample given
        self._given = self._overlap = self._overlaps = 0  # samples: given, left out here, left out in all

    def place(self, frames: Iterable[Frame]) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32 of the signal.

        Raises:
            RecordingError: timestamps jump back, or too far forward.
        """
        taken = held = 0
        for frame in frames:
            if self._zero is None or (not taken and frame.time < self._zero):
                self._zero = frame.time
            self._held.append((frame.time - self._zero - taken, frame.samples))
            taken += len(frame.samples)
            held += len(frame.samples)
            while held - len(self._held[0][1]) >= LOOK_AHEAD_SECONDS * self._rate:
                held -= len(self._held[0][1])
                yield from self._give(settled=True)
        while self._held:
            yield from self._give(settled=False)

    def _give(self, settled: bool) -> Iterator[FloatArray]:
        """The next frame and what is missing before it. `settled`: enough sound follows to confirm a jump."""
        offsets = [offset for offset, _ in self._held]
        offset, samples = self._held.popleft()
        late, early = min(offsets) - self._shift, max(offsets) - self._shift  # gap: late > 0, overlap: early < 0
        step = 0 if self._before is None else offset - self._before
        if self._before is None:
            others = max(offsets[1:], default=offset)
            begin = others if others < offset - self._tolerance else offset  # all others are earlier: they are right
            self._check_gap(begin, settled=True)
            yield from self._pieces(np.zeros((1, samples.shape[1]), np.float32), begin)
        elif late > self._tolerance:
            self._check_gap(late, settled)
            lost = step > self._tolerance or late > 2 * self._tolerance or self._last is None
            fill = np.full((1, samples.shape[1]), np.nan, np.float32) if lost else self._last
            assert fill is not None
            # Containers round times, some to whole milliseconds: the median of the near ones is right.
            near = [one for one in offsets if one - min(offsets) <= self._tolerance]
            yield from self._pieces(fill, sorted(near)[len(near) // 2] - self._shift)
        elif early < -self._tolerance:
            drop = min(-early, len(samples))
            self._overlap += drop
            self._overlaps += drop if early < -1.5 * self._tolerance else 0  # a fast clock stays below that
            self._check_overlap(-early)
            self._shift -= drop
            samples = samples[drop:]
        else:
            self._overlap = 0
        self._before = offset
        if len(samples):
            self._last = samples[-1:]
            self._given += len(samples)
            yield samples

    def _pieces(self, fill: FloatArray, count: int) -> Iterator[FloatArray]:
        """`fill` (1, channels), `count` times, in pieces."""
        self._shift += count
        self._given += count
        while count > 0:
            piece = min(count, BLOCK_SECONDS * self._rate)
            yield np.repeat(fill, piece, axis=0)
            count -= piece

    def _check_gap(self, count: int, settled: bool) -> None:
        """Refuses a gap of `count` samples that is too long, or that too little sound confirms."""
        at, length = self._given / self._rate, count / self._rate
        if length > MAX_GAP_SECONDS or not (settled or length <= LOOK_AHEAD_SECONDS):
            raise RecordingError(
                f"{self._name} has a timestamp that cannot be true: after {at:.3f} s it jumps by {length:.3f} s; copy "
                "it again, or convert it to WAV and check that its times are right"
            )

    def _check_overlap(self, back: int) -> None:
        """Refuses times that go `back` by too many samples, or did so too often."""
        here = max(self._overlap, back)
        if here > MAX_OVERLAP_SECONDS * self._rate or self._overlaps > MAX_OVERLAPS_SECONDS * self._rate:
            raise RecordingError(
                f"{self._name} has timestamps that go back at {self._given / self._rate:.3f} s, as if recordings had "
                "been joined; give each of them, or convert it to WAV and check that its times are right"
            )
