"""Results of one recording, whoever computed them and whoever reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording
from novaspeech.errors import OptionError, RequestError, quoted
from novaspeech.segments import Segment

Kind = Literal["scores", "vectors", "segments"]


class Kept(NamedTuple):
    """An output as the names of its files tell of it.

    Attributes:
        module: whose output it is; "" if nobody knows, as of files that a server wrote.
        named: whether somebody asked for it by its name; a CSV file takes no vectors else.
    """

    id: str
    kind: Kind
    module: str = ""
    named: bool = True

    @property
    def key(self) -> str:
        """Its id, after the module's name."""
        return f"{self.module}.{self.id}" if self.module else self.id


@dataclass(frozen=True)
class Track:
    """An output over time.

    Attributes:
        kind: "scores", one number a row; "vectors", D numbers a row; "segments", a name and a confidence a row.
        times: (n, 2) float64, start and end of each row in seconds.
        values: (n,) float32 scores, NaN where there is none; (n, D) vectors; or (n,) confidences of segments.
        low, high: range of scores.
        classes: names that segments may have, if they are not free.
        whole: whether its one row stands for the recording as a whole.
        module, named: see `Kept`.
    """

    id: str
    kind: Kind
    times: npt.NDArray[np.float64]
    values: FloatArray
    names: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    classes: tuple[str, ...] = ()
    whole: bool = False
    module: str = ""
    named: bool = True

    @classmethod
    def of_segments(
        cls, name: str, segments: Sequence[Segment], classes: Sequence[str] = (), module: str = ""
    ) -> Track:
        """Segments as a track."""
        times = np.array([(segment.start_ms, segment.end_ms) for segment in segments], float).reshape(-1, 2) / 1000
        confidences = np.array([segment.confidence for segment in segments], np.float32)
        names = tuple(segment.name for segment in segments)
        return cls(name, "segments", times, confidences, names, classes=tuple(classes), module=module)

    @property
    def kept(self) -> Kept:
        """What the names of its files tell."""
        return Kept(self.id, self.kind, self.module, self.named)

    def within(self, start: float, end: float) -> Track:
        """The rows that overlap a span of time, in seconds."""
        kept = np.flatnonzero((self.times[:, 1] > start) & (self.times[:, 0] < end))
        names = tuple(self.names[row] for row in kept) if self.names else ()
        return replace(self, times=self.times[kept], values=self.values[kept], names=names)

    @property
    def segments(self) -> list[Segment]:
        """The rows of segments, in the order of their starts."""
        milliseconds = np.rint(1000 * self.times).astype(int).tolist()
        rows = zip(milliseconds, self.names, self.values.tolist(), strict=True)
        return sorted(
            (Segment(start, end, name, confidence) for (start, end), name, confidence in rows),
            key=lambda segment: (segment.start_ms, segment.end_ms),
        )


@dataclass(frozen=True)
class Tracks:
    """The outputs of one recording.

    Attributes:
        name: the recording's name without folder and ending; the files' names begin with it.
        audio: the recording, if it is a file that can be linked to.
        opened: the recording's sound, if somebody has opened it.
        file: the recording as tables name it; left out, its path, else its name.
    """

    name: str
    audio: Path | None
    duration: float
    tracks: tuple[Track, ...]
    opened: Recording | None = None
    file: str = ""

    def __post_init__(self) -> None:
        if not self.file:
            object.__setattr__(self, "file", str(self.audio or self.name))

    @property
    def recording(self) -> Recording | None:
        """The recording's sound; None if there is no `audio`, RecordingError if it cannot be read."""
        return self.opened or (Recording.open(self.audio) if self.audio else None)

    def of_kind(self, kind: Kind) -> list[Track]:
        """The tracks of one kind."""
        return [track for track in self.tracks if track.kind == kind]

    def scores_by_range(self) -> list[list[Track]]:
        """The tracks of scores, grouped by their range."""
        ranges: dict[tuple[float, float], list[Track]] = {}
        for track in self.of_kind("scores"):
            ranges.setdefault((track.low, track.high), []).append(track)
        return list(ranges.values())

    @property
    def kept(self) -> list[Kept]:
        """What the names of the tracks' files tell."""
        return [track.kept for track in self.tracks]

    def tier(self, track: Track) -> str:
        """Name of a track's tier: its id; after its module's name if another track has the same."""
        return track.id if sum(one.id == track.id for one in self.tracks) == 1 else track.kept.key

    def rounded(self, dtype: str) -> Tracks:
        """The tracks with scores and vectors in another number format.

        Raises:
            OptionError: the format is neither "float32" nor "float16".
            RequestError: a number is too large for it.
        """
        if dtype not in ("float32", "float16"):
            raise OptionError(f"there is no dtype {quoted(dtype)}; there are: float32, float16")
        tracks = tuple(replace(track, values=_rounded(track, dtype)) for track in self.tracks)
        return replace(self, tracks=tracks)

    @property
    def end(self) -> float:
        """End of the recording, or of a segment that ends later, in seconds."""
        return float(max(self.duration, *(track.times.max(initial=0) for track in self.of_kind("segments")), 0.0))


def _rounded(track: Track, dtype: str) -> FloatArray:
    with np.errstate(over="ignore"):
        values = track.values.astype(dtype)
    if np.isinf(values).any():
        largest = np.nanmax(np.abs(track.values))
        raise RequestError(f"{track.id} has numbers as large as {largest:g}, more than {dtype} holds; use float32")
    return values


def belongs_to(tier: str, own: Collection[str]) -> bool:
    """Whether a tier is one of our own, or goes with one: "words 2", "words (points)", "words confidence"."""
    name = tier.removesuffix(" confidence").removesuffix(" (points)")
    base, _, number = name.rpartition(" ")
    return name in own or (base in own and number.isdecimal())


def lanes(segments: Iterable[Segment], shortest_ms: int = 0) -> list[list[Segment]]:
    """Segments, in the order of their starts, on as few tiers as it takes for none to overlap; at least one tier.

    Args:
        shortest_ms: shorter segments are made as long.
    """
    found: list[list[Segment]] = [[]]
    for segment in (replace(one, end_ms=max(one.end_ms, one.start_ms + shortest_ms)) for one in segments):
        for lane in found:
            if not lane or lane[-1].end_ms <= segment.start_ms:
                lane.append(segment)
                break
        else:
            found.append([segment])
    return found
