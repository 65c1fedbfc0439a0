"""Anchors: runs of words in which transcript and recognised words agree, at which a recording is cut into pieces."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wav2vec2_kws.align.trellis import Graph, Indices
from wav2vec2_kws.hits import Hit

# So many words and letters must agree on both sides of a cut, or it might come about by chance.
SURE_WORDS, SURE_LETTERS = 2, 8
SAME_WORDS, SAME_LETTERS = 3, 6  # shortest run of words, and of letters, that counts as agreement
BAND = 4096  # states (about 350 words) that are looked at in a frame at least, if the piece has so many
CELLS = 16_000_000  # states times frames of the largest piece without a band


@dataclass(frozen=True)
class Piece:
    """A part of the recording: ranges [first, last + 1) of frames, of the transcript's words, of recognised words."""

    frames: tuple[int, int]
    words: tuple[int, int]
    recognised: tuple[int, int]


def cut(texts: Sequence[str], recognised: Sequence[Hit], count: int, shortest: int) -> Iterator[Piece]:
    """Cuts a recording between words that are surely the transcript's: those of long runs of equal words.

    Args:
        texts: each word of the transcript as the model writes it, which may be several words; "" if it does not.
        recognised: the recognised words.
        count: the recording's frames.
        shortest: frames that a piece has at least.
    """
    tokens, owners = list[str](), list[int]()
    for index, text in enumerate(texts):
        parts = text.split() or [f"<{index}>"]  # no recognised word is like it
        tokens += parts
        owners += [index] * len(parts)
    frame = word = hit = 0
    for source, target, size in equal_runs([one.name for one in recognised], tokens, SAME_WORDS):
        lengths = np.cumsum([0, *(len(token) for token in tokens[target : target + size])])
        for before in range(SURE_WORDS, size - SURE_WORDS + 1):
            first, here = source + before, target + before
            sure = min(lengths[before], lengths[-1] - lengths[before]) >= SURE_LETTERS
            middle = (recognised[first - 1].end + recognised[first].start) // 2
            if sure and owners[here] != owners[here - 1] and middle - frame >= shortest and count - middle >= shortest:
                yield Piece((frame, middle), (word, owners[here]), (hit, first))
                frame, word, hit = middle, owners[here], first
    yield Piece((frame, count), (word, len(texts)), (hit, len(recognised)))


def equal_runs(one: Sequence[str], other: Sequence[str], length: int) -> list[tuple[int, int, int]]:
    """Runs of `length` or more in which two texts agree: index in each text and size, all rising.

    A run starts from a row of `length` that stands in each text exactly once. The largest set of such rows that has the
    same order in both texts is taken ("patience diff"). A part that one text lacks, however long, then does not shift
    the rest; the fewest edits would, since they rather exchange words. Memory grows in proportion to the texts.
    """
    first, second = (_unique_rows(text, length) for text in (one, other))
    runs: list[tuple[int, int, int]] = []
    for source, target in _longest_rising([(index, second[row]) for row, index in first.items() if row in second]):
        start, begin, size = runs[-1] if runs else (-1, -1, 0)
        if runs and source - start == target - begin == size - length + 1:
            runs[-1] = (start, begin, size + 1)
        elif not runs or (source >= start + size and target >= begin + size):
            runs.append((source, target, length))
    return runs


def _unique_rows(text: Sequence[str], length: int) -> dict[tuple[str, ...], int]:
    """Rows of `length` that a text has exactly once → their index, in the order of the text."""
    rows = list(zip(*(text[index:] for index in range(length)), strict=False))
    counts = Counter(rows)
    return {row: index for index, row in enumerate(rows) if counts[row] == 1}


def _longest_rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence of pairs in which second values rise; first values rise in all pairs."""
    # Each length has the lowest second value that a rising sequence ends with, and the index of that pair.
    lowest, ends, before = list[int](), list[int](), list[int]()
    for index, (_, second) in enumerate(pairs):
        length = bisect.bisect_left(lowest, second)
        before.append(ends[length - 1] if length else -1)
        lowest[length : length + 1] = [second]
        ends[length : length + 1] = [index]
    chosen, index = list[tuple[int, int]](), ends[-1] if ends else -1
    while index >= 0:
        chosen.append(pairs[index])
        index = before[index]
    return chosen[::-1]


def band(graph: Graph, texts: Sequence[str], recognised: Sequence[Hit], first: int, count: int) -> tuple[Indices, int]:
    """The band of states in each frame of a piece, as `best_path` takes it: lows (F + 1,), and the width.

    A piece of few words, or of few frames, has all states in its band. In other pieces the band follows the letters
    that the recognised words have in common with the transcript.

    Args:
        texts: the piece's words as the model writes them.
    """
    states = len(graph.ids)
    width = min(states, max(BAND, CELLS // max(1, count)))
    if width == states:
        return np.zeros(count + 1, np.int64), width
    frames, middles = _common_letters(graph, texts, recognised)
    guide = np.interp(np.arange(count + 1), [0, *(frames - first), count], [0, *middles, states])
    lows = np.clip(guide - width // 2, 0, states - width)
    # The band follows a leap of the guide so slowly that paths can follow, and reaches the end in time.
    step, times = width // 4, np.arange(count + 1)
    lows = np.minimum.accumulate(lows - step * times) + step * times
    lows = np.maximum(lows, states - width - step * (count - times))
    return np.maximum.accumulate(np.maximum(0, lows).astype(np.int64)), width


def _common_letters(graph: Graph, texts: Sequence[str], recognised: Sequence[Hit]) -> tuple[Indices, Indices]:
    """Frames (N,) and states (N,), both rising, of letters in runs that both texts have."""
    written = " ".join(texts)
    ends = np.cumsum([len(text) + 1 for text in texts])
    # A word's states are spread over its letters, which is exact enough for a band.
    states = np.interp(np.arange(len(written) + 1), [0, *ends], graph.gaps)
    spelt = " ".join(hit.name for hit in recognised)
    edges = np.cumsum([0, *(len(hit.name) + 1 for hit in recognised)])
    times = [*(hit.start for hit in recognised), recognised[-1].end if recognised else 0]
    frames = np.interp(np.arange(len(spelt) + 1), edges, times)
    points = [
        (source + letter, target + letter)
        for source, target, size in equal_runs(spelt, written, SAME_LETTERS)
        for letter in (0, size - 1)
    ]
    sources, targets = np.array(points, np.int64).reshape(-1, 2).T
    return frames[sources].astype(np.int64), states[targets].astype(np.int64)
