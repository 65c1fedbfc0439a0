"""Where a transcript and the words that were recognised agree, so that a long recording falls into short pieces."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wav2vec2_kws.align.trellis import Graph, Indices
from wav2vec2_kws.hits import Hit

# What must agree on both sides of a cut, so that chance does not make it.
SURE_WORDS, SURE_LETTERS = 2, 8
SAME_WORDS, SAME_LETTERS = 3, 6  # in a row, that are looked for in both texts
BAND = 4096  # states, about 350 words: what a piece looks at in a frame at least, if it has so many
CELLS = 16_000_000  # states times frames that a piece may have without a band


@dataclass(frozen=True)
class Piece:
    """A part of the recording, and the words in it.

    Attributes:
        frames: first and last + 1.
        words: indices of the first and the last + 1, of the transcript.
        heard: the same of the recognised words.
    """

    frames: tuple[int, int]
    words: tuple[int, int]
    heard: tuple[int, int]


def cut(texts: Sequence[str], heard: Sequence[Hit], count: int, shortest: int) -> Iterator[Piece]:
    """Cuts a recording between words that are surely the transcript's: those of long runs of equal words.

    Args:
        texts: each word of the transcript as the model writes it, which may be several words; "" if it does not.
        heard: the recognised words.
        count: the recording's frames.
        shortest: frames that a piece has at least.
    """
    tokens, places = list[str](), list[int]()
    for place, text in enumerate(texts):
        parts = text.split() or [f"<{place}>"]  # which no recognised word is
        tokens += parts
        places += [place] * len(parts)
    frame = word = hit = 0
    for source, target, size in equal_runs([one.name for one in heard], tokens, SAME_WORDS):
        lengths = np.cumsum([0, *(len(token) for token in tokens[target : target + size])])
        for before in range(SURE_WORDS, size - SURE_WORDS + 1):
            first, here = source + before, target + before
            sure = min(lengths[before], lengths[-1] - lengths[before]) >= SURE_LETTERS
            middle = (heard[first - 1].end + heard[first].start) // 2
            if sure and places[here] != places[here - 1] and middle - frame >= shortest and count - middle >= shortest:
                yield Piece((frame, middle), (word, places[here]), (hit, first))
                frame, word, hit = middle, places[here], first
    yield Piece((frame, count), (word, len(texts)), (hit, len(heard)))


def equal_runs(one: Sequence[str], other: Sequence[str], length: int) -> list[tuple[int, int, int]]:
    """Where two texts agree for `length` or more in a row: index in each, and for how long; all rising.

    They agree where the same stands in a row once only in each text; of such places the most are taken that are in the
    same order in both ("patience diff"). So what is missing in one of them, however long, does not shift the rest, as
    the fewest edits would: they rather exchange words. It takes memory in proportion to the texts.
    """
    first, second = (_only_ones(text, length) for text in (one, other))
    runs: list[tuple[int, int, int]] = []
    for source, target in _longest_rising([(place, second[row]) for row, place in first.items() if row in second]):
        start, begin, size = runs[-1] if runs else (-1, -1, 0)
        if runs and source - start == target - begin == size - length + 1:
            runs[-1] = (start, begin, size + 1)
        elif not runs or (source >= start + size and target >= begin + size):
            runs.append((source, target, length))
    return runs


def _only_ones(text: Sequence[str], length: int) -> dict[tuple[str, ...], int]:
    """What stands in a row once → where, in the order of the text."""
    rows = list(zip(*(text[place:] for place in range(length)), strict=False))
    counts = Counter(rows)
    return {row: place for place, row in enumerate(rows) if counts[row] == 1}


def _longest_rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The most pairs, of those whose firsts rise, whose seconds rise, too."""
    lowest, ends, before = list[int](), list[int](), list[int]()  # of each length: last second, and whose it is
    for index, (_, second) in enumerate(pairs):
        place = bisect.bisect_left(lowest, second)
        before.append(ends[place - 1] if place else -1)
        lowest[place : place + 1] = [second]
        ends[place : place + 1] = [index]
    chosen, index = list[tuple[int, int]](), ends[-1] if ends else -1
    while index >= 0:
        chosen.append(pairs[index])
        index = before[index]
    return chosen[::-1]


def band(graph: Graph, texts: Sequence[str], heard: Sequence[Hit], first: int, count: int) -> tuple[Indices, int]:
    """The states that are looked at in each frame of a piece, as `best_path` takes them: lows (F + 1,), and the width.

    A piece of few words, or of few frames, is looked at as a whole. In others the band follows the letters that the
    recognised words have in common with the transcript.

    Args:
        texts: the piece's words as the model writes them.
        heard: the words that were recognised in it.
        first: its first frame; it has `count`.
    """
    states = len(graph.ids)
    width = min(states, max(BAND, CELLS // max(1, count)))
    if width == states:
        return np.zeros(count + 1, np.int64), width
    frames, middles = _common_letters(graph, texts, heard)
    guide = np.interp(np.arange(count + 1), [0, *(frames - first), count], [0, *middles, states])
    lows = np.clip(guide - width // 2, 0, states - width)
    # Where the guide leaps, the band goes after it so slowly that paths can follow, and is at the end in time.
    step, times = width // 4, np.arange(count + 1)
    lows = np.minimum.accumulate(lows - step * times) + step * times
    lows = np.maximum(lows, states - width - step * (count - times))
    return np.maximum.accumulate(np.maximum(0, lows).astype(np.int64)), width


def _common_letters(graph: Graph, texts: Sequence[str], heard: Sequence[Hit]) -> tuple[Indices, Indices]:
    """Frames (N,) and states (N,), both rising, of letters in runs that are in both texts."""
    written = " ".join(texts)
    ends = np.cumsum([len(text) + 1 for text in texts])
    # States of a word spread over its letters: exact enough for a band.
    states = np.interp(np.arange(len(written) + 1), [0, *ends], graph.gaps)
    spelt = " ".join(hit.name for hit in heard)
    edges = np.cumsum([0, *(len(hit.name) + 1 for hit in heard)])
    frames = np.interp(np.arange(len(spelt) + 1), edges, [*(hit.start for hit in heard), heard[-1].end if heard else 0])
    points = [
        (source + place, target + place)
        for source, target, size in equal_runs(spelt, written, SAME_LETTERS)
        for place in (0, size - 1)
    ]
    sources, targets = np.array(points, np.int64).reshape(-1, 2).T
    return frames[sources].astype(np.int64), states[targets].astype(np.int64)
