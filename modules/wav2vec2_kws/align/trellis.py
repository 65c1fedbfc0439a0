"""The most likely path of a recording's frames through the letters of a transcript, which it need not follow strictly.

The method is CTC's forced alignment (Graves et al. 2006; over long recordings Kürzinger et al. 2020, arXiv 2007.09127)
with two ways out. A gap lies between words and takes any sound, as the star token of Pratap et al. 2023 (arXiv
2305.13516) does. And a word may be skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from novaspeech.arrays import BoolArray
from wav2vec2_kws.vocabulary import Vocabulary

# Costs in nats: natural logarithms of likelihood ratios to each frame's best letter. benchmarks/alignment.py --tune
# found them.
SKIP_COST = 4.0  # cost of a word that is not spoken
FILLER_COST = 4.0  # largest cost of a frame of speech that no word of the transcript takes
PAUSE_COST = 0.1  # cost of a frame between the letters of a word, so that the word does not reach over a long pause
BLOCK = 1500  # frames whose ways back are held at once

Ratios = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Read = Callable[[int, int], Ratios]

# A way back is 0, 1 or 2 states, in the frame before; or this one: to the gap before, in the same frame.
_SAME_FRAME = 3


@dataclass(frozen=True)
class Costs:
    """Costs of leaving the transcript, see `SKIP_COST` and those after it."""

    skip: float = SKIP_COST
    filler: float = FILLER_COST
    pause: float = PAUSE_COST


def with_gaps(ratios: Ratios, vocabulary: Vocabulary, costs: Costs) -> Ratios:
    """Ratios (F, V) → (F, V + 2): a pause within a word and a gap are added. Frames that are NaN are gaps."""
    blank = ratios[:, vocabulary.blank]
    gap = np.maximum(np.maximum(blank, ratios[:, vocabulary.delimiter]), -costs.filler)
    rows = np.column_stack([ratios, blank - costs.pause, gap])
    rows[np.isnan(ratios).any(axis=1)] = _only_gap(rows.shape[1])
    return rows


def _only_gap(width: int) -> list[float]:
    return [*[-np.inf] * (width - 1), 0.0]


class Graph:
    """The states of some words, in a row: gap, word, gap, word, …, gap. A word is letter, blank, letter, …, letter.

    A path goes from a state to itself or to the next one. It may go from letter to letter without the blank if they are
    not the same, and from gap to gap over a word within one frame.

    Args:
        spellings: ids of each word's letters, with delimiters between its parts; () if it can only be skipped.

    Attributes:
        ids: (S,) index, below V + 2, of the frame's value that each state takes.
        words: (S,) index of each state's word; a gap has that of the word after it.
        letters: (S,) True for letters.
        gaps: (W + 1,) states that are gaps.
    """

    def __init__(
        self, spellings: Sequence[tuple[int, ...]], vocabulary: Vocabulary, width: int, costs: Costs | None = None
    ) -> None:
        self.costs = costs or Costs()
        pause, gap = width, width + 1
        ids, words = [gap], [0]
        for index, spelling in enumerate(spellings):
            states = [pause] * max(0, 2 * len(spelling) - 1)
            states[::2] = spelling
            ids += [*states, gap]
            words += [*[index] * len(states), index + 1]
        self.ids, self.words = np.array(ids), np.array(words)
        self.gaps: Indices = np.flatnonzero(self.ids == gap)
        self.letters: BoolArray = ~np.isin(self.ids, (vocabulary.delimiter, pause, gap))
        skips = np.array([self.costs.skip if spelling else 0.0 for spelling in spellings])
        self.skipped = np.concatenate([[0.0], np.cumsum(skips)])  # costs of skipping all words before a gap
        # Ratios that are added to a path that goes one state on, and two; -inf forbids it.
        both_gaps = (self.ids[1:] == gap) & (self.ids[:-1] == gap)
        self.one = np.concatenate([[-np.inf], np.where(both_gaps, -np.inf, 0.0)])
        within = (self.words[2:] == self.words[:-2]) & (self.ids[:-2] != gap)
        leaps = within & (self.ids[2:] != pause) & (self.ids[2:] != self.ids[:-2])
        self.two = np.full(len(ids), -np.inf)
        self.two[2:][leaps] = 0.0


def best_path(graph: Graph, read: Read, lows: Indices, width: int) -> Indices:
    """Viterbi's algorithm over a band of states: the state of each frame (F,).

    Memory holds the ways back of `BLOCK` frames only. For earlier frames they are computed again, from the scores that
    were kept at each block's beginning.

    Args:
        read: frames [begin, end) → their values (F, V + 2), see `with_gaps`.
        lows: (F + 1,) lowest state of the band in each frame; it starts at 0 and ends at S - width.
        width: number of states in the band.
    """
    count = len(lows) - 1  # the frame after the last one leads to the last gap
    search = _Search(graph, read, lows, width)
    begins = range(0, count + 1, BLOCK)
    kept = [search.start()]
    for begin in begins[:-1]:
        kept.append(search.advance(begin, kept[-1])[0])
    path, state = np.empty(count + 1, np.int64), len(graph.ids) - 1
    for begin, scores in zip(reversed(begins), reversed(kept), strict=True):
        _, back = search.advance(begin, scores)
        state = search.trace(begin, back, path, state)
    return path[:count]


class _Search:
    """The steps of `best_path`. Scores are those of the band (width,) as it lies in a block's first frame."""

    def __init__(self, graph: Graph, read: Read, lows: Indices, width: int) -> None:
        self._graph, self._read, self._width = graph, read, width
        self._lows: list[int] = [*lows.tolist(), int(lows[-1])]
        self._gap_ranges = list(
            zip(*(np.searchsorted(graph.gaps, edge).tolist() for edge in (lows, lows + width)), strict=True)
        )
        self._last = len(lows)
        # Two states more stand before the first; no path comes from them.
        self._scores = np.full(len(graph.ids) + 2, -np.inf)

    def start(self) -> Ratios:
        """Scores before the first frame: a path is in the first gap, or has skipped words."""
        scores = np.full(len(self._graph.ids), -np.inf)
        scores[self._graph.gaps] = -self._graph.skipped
        return scores[: self._width]

    def advance(self, begin: int, scores: Ratios) -> tuple[Ratios, npt.NDArray[np.int8]]:
        """Scores after a block, and the ways back (F, width)."""
        end = min(begin + BLOCK, self._last)
        rows = self._read(begin, min(end, self._last - 1))
        if end == self._last:
            rows = np.vstack([rows, _only_gap(rows.shape[1])])
        self._scores.fill(-np.inf)
        self._scores[self._lows[begin] + 2 :][: self._width] = scores
        back = np.empty((end - begin, self._width), np.int8)
        for frame, row, ways in zip(range(begin, end), rows, back, strict=True):
            self._step(frame, row, ways)
        return self._scores[self._lows[end] + 2 :][: self._width].copy(), back

    def _step(self, frame: int, row: Ratios, ways: npt.NDArray[np.int8]) -> None:
        graph, low, next_low = self._graph, self._lows[frame], self._lows[frame + 1]
        band = slice(low, low + self._width)
        stay = self._scores[low + 2 : low + 2 + self._width]
        one = self._scores[low + 1 : low + 1 + self._width] + graph.one[band]
        two = self._scores[band] + graph.two[band]
        leap = (two > one).view(np.int8)
        np.maximum(one, two, out=one)
        moved = (one > stay).view(np.int8)
        np.add(moved, moved & leap, out=ways)
        np.maximum(one, stay, out=one)
        one += row[graph.ids[band]]
        first, last = self._gap_ranges[frame]
        gaps, skipped = graph.gaps[first:last] - low, graph.skipped[first:last]
        before = one[gaps] + skipped
        after = np.maximum.accumulate(before)
        jumped = after > before
        one[gaps[jumped]] = (after - skipped)[jumped]
        ways[gaps[jumped]] = _SAME_FRAME
        stay[:] = one
        self._scores[low + 2 : next_low + 2] = -np.inf

    def trace(self, begin: int, back: npt.NDArray[np.int8], path: Indices, state: int) -> int:
        """Fills in a block's path, from its last frame's state; gives the state of the frame before the block."""
        for frame in range(begin + len(back) - 1, begin - 1, -1):
            low, ways = self._lows[frame], back[frame - begin]
            while (way := int(ways[state - low])) == _SAME_FRAME:
                state = int(self._graph.gaps[self._graph.words[state] - 1])
            path[frame] = state
            state -= way
        return state
