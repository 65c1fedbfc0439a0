"""Where a keyword may be, and which of such places are kept."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from novaspeech.inference.pooling import FrameBlock

OVERLAP = 0.25  # of the shorter of two hits, from which on they are the same


@dataclass(frozen=True)
class Hit:
    """A place where something was found.

    Attributes:
        name: the keyword, or the word as the model spells it.
        start, end: frames [start, end) of the recording.
        score: 0 to 1.
    """

    name: str
    start: int
    end: int
    score: float


class Detector(Protocol):
    """Finds keywords in the frames of a recording, block by block.

    Attributes:
        reads: which of the encoder's outputs it needs of each frame.
    """

    reads: str

    def add(self, block: FrameBlock) -> Iterable[Hit]:
        """Hits that are known once these frames are; they may overlap, and be of any score."""


def best_hits(hits: Iterable[Hit]) -> list[Hit]:
    """The hits that stay when of overlapping ones the better is kept: in the order of time, without overlap.

    Speech at one place is one word: hits of different keywords compete, too.
    """
    kept = strongest(hits)
    for place in range(len(kept) - 1):
        hit, following = kept[place : place + 2]
        if hit.end > following.start:
            if hit.score >= following.score:
                kept[place + 1] = replace(following, start=hit.end)
            else:
                kept[place] = replace(hit, end=following.start)
    return kept


def strongest(hits: Iterable[Hit]) -> list[Hit]:
    """`best_hits` before their ends are cut: neighbours may share up to `OVERLAP`."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (-hit.score, hit.start)):
        place = bisect.bisect(kept, hit.start, key=lambda other: other.start)
        # No kept hit lies within another, so that those which meet this one are its neighbours.
        if not any(_overlap(hit, other) > OVERLAP for other in kept[max(0, place - 1) : place + 1]):
            kept.insert(place, hit)
    return kept


def _overlap(one: Hit, other: Hit) -> float:
    """Share of the shorter one."""
    common = min(one.end, other.end) - max(one.start, other.start)
    return common / min(one.end - one.start, other.end - other.start)
