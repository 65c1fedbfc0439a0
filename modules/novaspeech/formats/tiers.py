"""Tiers, as Praat and ELAN have them: rows with times and a label. A track of segments may need several."""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from novaspeech.formats.track import Track

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # but for tabs and line feeds
POINTS, CONFIDENCE = " (points)", " confidence"  # end the names of tiers that go with another one


def printable(label: str) -> str:
    """A label without control characters, which XML cannot hold and Praat does not show."""
    return _CONTROLS.sub("", label)


class Labelled(NamedTuple):
    """A row of a tier: start and end in seconds, the same for a point."""

    start: float
    end: float
    label: str
    confidence: float = 1.0


class Tier(NamedTuple):
    """A tier.

    Attributes:
        speaker: whom it is of, if the file says so.
        points: whether its rows have no length.
        foreign: whether it is certain that somebody else made it.
        start, end: where the tier itself begins and ends, in seconds, if the file says so.
    """

    name: str
    rows: Sequence[Labelled]
    speaker: str = ""
    points: bool = False
    foreign: bool = False
    start: float = 0.0
    end: float = 0.0


def track_of(name: str, rows: Sequence[Labelled]) -> Track:
    """Rows as a track of segments, in the order of time."""
    ordered = sorted(rows, key=lambda row: (row.start, row.end))
    times = np.array([row[:2] for row in ordered], float).reshape(-1, 2)
    confidences = np.array([row.confidence for row in ordered], np.float32)
    return Track(name, "segments", times, confidences, tuple(row.label for row in ordered))


def tracks_of(tiers: Sequence[Tier]) -> list[Track]:
    """A track for each tier; "words 2" and "words (points)" go into that of "words".

    A tier of somebody else's that has such a name stays apart: rows of ours are on a second tier only because each
    overlaps one on the tier before it.
    """
    found: dict[str, list[Labelled]] = {}
    last: dict[str, Sequence[Labelled]] = {}  # name of a track → rows of its last lane
    for tier in tiers:
        plain = tier.name.removesuffix(POINTS)
        base, _, number = plain.rpartition(" ")
        lane = base in last and number.isdecimal()
        if tier.points and plain != tier.name:
            name = plain if plain in found or not lane else base
            found.setdefault(name, []).extend(tier.rows)
        elif lane and not tier.foreign and tier.rows and _all_overlap(tier.rows, last[base]):
            found[base].extend(tier.rows)
            last[base] = tier.rows
        else:
            name = tier.name
            while name in last:  # two tiers of one name
                name += "'"
            found[name] = list(tier.rows)
            last[name] = tier.rows
    return [track_of(name, rows) for name, rows in found.items()]


def _all_overlap(rows: Sequence[Labelled], before: Sequence[Labelled]) -> bool:
    """Whether each of the rows overlaps one of those of another lane; both are in the order of time."""
    starts = [row.start for row in before]
    for row in rows:
        place = bisect.bisect_left(starts, row.end) - 1  # the last one that starts before this one's end
        if place < 0 or before[place].end <= row.start:
            return False
    return True
