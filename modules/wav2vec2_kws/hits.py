"""Hits: stretches of a recording where a keyword may be, and the choice among them."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from novaspeech.inference.pooling import FrameBlock

OVERLAP = 0.25  # share of the shorter of two hits, above which both are the same word


@dataclass(frozen=True)
class Hit:
    """A stretch of a recording where something was found.

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
        reads: name of the encoder's output that it needs.
    """

    reads: str

    def add(self, block: FrameBlock) -> Iterable[Hit]:
        """Hits that these frames complete. They may overlap, and have any score."""


def best_hits(hits: Iterable[Hit]) -> list[Hit]:
    """The better of overlapping hits, in the order of time, without overlap.

    Hits of different keywords compete, too, since speech at one time is one word.
    """
    kept = strongest(hits)
    for index in range(len(kept) - 1):
        hit, following = kept[index : index + 2]
        if hit.end > following.start:
            if hit.score >= following.score:
                kept[index + 1] = replace(following, start=hit.end)
            else:
                kept[index] = replace(hit, end=following.start)
    return kept


def strongest(hits: Iterable[Hit]) -> list[Hit]:
    """The hits of `best_hits` before their ends are cut: neighbours may share up to `OVERLAP`."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (-hit.score, hit.start)):
        index = bisect.bisect(kept, hit.start, key=lambda other: other.start)
        # No kept hit lies within another, so that only neighbours can overlap this one.
        if not any(_overlap(hit, other) > OVERLAP for other in kept[max(0, index - 1) : index + 1]):
            kept.insert(index, hit)
    return kept


def _overlap(one: Hit, other: Hit) -> float:
    """Common frames of two hits, as a share of the shorter one."""
    common = min(one.end, other.end) - max(one.start, other.start)
    return common / min(one.end - one.start, other.end - other.start)
