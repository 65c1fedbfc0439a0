"""Segments: named stretches of time, the rows of discrete and free annotations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from novaspeech.arrays import BoolArray, FloatArray, runs


@dataclass(frozen=True)
class Segment:
    """A row of a discrete or free annotation: its class's name or its text, and a confidence from 0 to 1."""

    start_ms: int
    end_ms: int
    name: str
    confidence: float


def find_segments(
    scores: FloatArray, usable: BoolArray, step_ms: int, *, threshold: float, min_gap_ms: int, min_duration_ms: int
) -> Iterator[tuple[int, int]]:
    """Stretches of scores that are at least `threshold`: index of the first step, and of the one after the last.

    Args:
        scores: (count,), one for every `step_ms`.
        usable: (count,) False for scores that mean nothing. They are below any threshold, and a gap that holds one is
            never closed.
        min_gap_ms: shorter gaps between two segments are closed first.
        min_duration_ms: shorter segments are then left out.
    """
    above = (scores >= threshold) & usable
    for begin, end in list(runs(~above)):
        inner = begin > 0 and end < len(above)
        if inner and (end - begin) * step_ms < min_gap_ms and usable[begin:end].all():
            above[begin:end] = True
    for begin, end in runs(above):
        if (end - begin) * step_ms >= min_duration_ms:
            yield begin, end


def plain_name(name: str) -> str:
    """A name without case, blanks, hyphens and underscores, to compare it with others."""
    return re.sub(r"[\s_-]", "", name).casefold()
