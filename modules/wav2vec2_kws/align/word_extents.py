"""Places of a transcript's words once their letters are found: their whole length, and those of skipped words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from novaspeech.arrays import BoolArray
from wav2vec2_kws.hits import Hit
from wav2vec2_kws.search.spelling import LONGEST_BESIDES, LONGEST_LETTER


def widened(found: dict[int, Hit], heard: Sequence[Hit]) -> dict[int, Hit]:
    """Words that reach to the ends of the recognised word which they are most of, if no other word is in it.

    So a word of which the model spells an end otherwise has its whole length. Its confidence falls by the part that it
    did not have: "under" is not all of "understand".

    Args:
        found: index → word, in the order of time, without overlap.
        heard: the recognised words, likewise.
    """
    places, words, first = list(found), list(found.values()), 0
    for hit in heard:
        while first < len(words) and words[first].end <= hit.start:
            first += 1
        if first == len(words) or words[first].start >= hit.end:
            continue
        word, alone = words[first], first + 1 == len(words) or words[first + 1].start >= hit.end
        common = min(word.end, hit.end) - max(word.start, hit.start)
        if alone and 2 * common >= hit.end - hit.start:
            start, end = min(word.start, hit.start), max(word.end, hit.end)
            score = word.score * (word.end - word.start) / (end - start)
            words[first] = replace(word, start=start, end=end, score=score)
    return dict(zip(places, words, strict=True))


def with_skipped(
    words: Sequence[str], found: dict[int, Hit], heard: Sequence[Hit], usable: BoolArray, frame_seconds: float
) -> list[Hit]:
    """All words, in order: those that were found, and the others on the speech between them.

    Args:
        words: the transcript's.
        found: index → word, in the order of time, without overlap.
        heard: the recognised words, which are where speech is.
        usable: (F,), which frames are; where they are not, speech may be.
        frame_seconds: from one frame to the next.
    """
    speech = ~usable
    for hit in heard:
        speech[hit.start : hit.end] = True
    hits, number, frame = list[Hit](), 0, 0
    for place in [*found, len(words)]:
        end = found[place].start if place in found else len(speech)
        hits += _share(words[number:place], speech, frame, end, frame_seconds)
        if place in found:
            hits.append(found[place])
            number, frame = place + 1, found[place].end
    return hits


def _share(words: Sequence[str], speech: BoolArray, begin: int, end: int, frame_seconds: float) -> list[Hit]:
    """Words on the speech in frames [begin, end), as long as they are written, or else on all of these frames."""
    frames = begin + np.flatnonzero(speech[begin:end])
    if len(frames) < len(words):
        frames = np.arange(begin, end)
    lengths = np.array([len(word) for word in words], float)
    longest = (LONGEST_BESIDES + LONGEST_LETTER * lengths) / frame_seconds
    shares = np.minimum(lengths * len(frames) / max(1.0, lengths.sum()), longest)
    edges = np.concatenate([[0], np.cumsum(shares)]).round().astype(int)
    if len(frames) >= len(words):  # a frame each at least
        places = np.arange(len(words) + 1)
        edges = np.minimum(np.maximum.accumulate(edges - places) + places, len(frames) - places[::-1])
    hits = []
    for word, first, last in zip(words, edges.tolist(), edges[1:].tolist(), strict=False):
        start = int(frames[first]) if first < len(frames) else end
        hits.append(Hit(word, start, int(frames[last - 1]) + 1 if last > first else start, 0.0))
    return hits
