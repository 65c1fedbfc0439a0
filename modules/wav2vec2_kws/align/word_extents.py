"""Extents of a transcript's words once their letters are found: their whole length, and those of skipped words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from novaspeech.arrays import BoolArray
from wav2vec2_kws.hits import Hit
from wav2vec2_kws.search.spelling import LONGEST_BESIDES, LONGEST_LETTER


def widened(found: dict[int, Hit], recognised: Sequence[Hit]) -> dict[int, Hit]:
    """Words, stretched to the ends of the recognised word that they are most of, if no other word is in it.

    A word whose end the model spells otherwise then has its whole length. Its confidence falls by the part that was
    added: "under" is not all of "understand".

    Args:
        found: index → word, in the order of time, without overlap.
        recognised: the recognised words, likewise.
    """
    indices, words, first = list(found), list(found.values()), 0
    for hit in recognised:
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
    return dict(zip(indices, words, strict=True))


def with_skipped(
    words: Sequence[str], found: dict[int, Hit], recognised: Sequence[Hit], usable: BoolArray, frame_seconds: float
) -> list[Hit]:
    """The words of a transcript in order: found words at their frames, others on the speech between them.

    Args:
        found: index → word, in the order of time, without overlap.
        recognised: the recognised words; speech is where they are.
        usable: (F,) False for frames that cannot be used; speech may be there.
    """
    speech = ~usable
    for hit in recognised:
        speech[hit.start : hit.end] = True
    hits, number, frame = list[Hit](), 0, 0
    for index in [*found, len(words)]:
        end = found[index].start if index in found else len(speech)
        hits += _share(words[number:index], speech, frame, end, frame_seconds)
        if index in found:
            hits.append(found[index])
            number, frame = index + 1, found[index].end
    return hits


def _share(words: Sequence[str], speech: BoolArray, begin: int, end: int, frame_seconds: float) -> list[Hit]:
    """Words on the speech in frames [begin, end), or else on all these frames; long words get more of them."""
    frames = begin + np.flatnonzero(speech[begin:end])
    if len(frames) < len(words):
        frames = np.arange(begin, end)
    lengths = np.array([len(word) for word in words], float)
    longest = (LONGEST_BESIDES + LONGEST_LETTER * lengths) / frame_seconds
    shares = np.minimum(lengths * len(frames) / max(1.0, lengths.sum()), longest)
    edges = np.concatenate([[0], np.cumsum(shares)]).round().astype(int)
    if len(frames) >= len(words):  # each word then gets a frame at least
        indices = np.arange(len(words) + 1)
        edges = np.minimum(np.maximum.accumulate(edges - indices) + indices, len(frames) - indices[::-1])
    hits = []
    for word, first, last in zip(words, edges.tolist(), edges[1:].tolist(), strict=False):
        start = int(frames[first]) if first < len(frames) else end
        hits.append(Hit(word, start, int(frames[last - 1]) + 1 if last > first else start, 0.0))
    return hits
