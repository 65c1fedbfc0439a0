"""The CTC score of a keyword's own spelling: found although the best path spells it otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from novaspeech.inference.pooling import FrameBlock
from wav2vec2_kws.encoder import LETTERS
from wav2vec2_kws.hits import Hit
from wav2vec2_kws.vocabulary import Vocabulary
from wav2vec2_kws.words import LONGEST_PAUSE

LOWEST = 0.01  # score of a hit that is worth telling
# Seconds that a keyword may last, for each of its letters, and besides; LONGEST_PAUSE comes for each pause.
LONGEST_LETTER, LONGEST_BESIDES = 0.2, 0.5


class SpellingDetector:
    """Keywords by the log-likelihood ratio of keyword and filler (Rose and Paul 1990) on CTC's letters.

    The keyword is its letters with CTC's blanks, a word delimiter before and after them (or the recording's start and
    end); the filler is the best path, and may stand before and after. The most likely path through the keyword is found
    with a free start and end (Viterbi), and its ratio to the best path divided by the frames that it spends on letters:
    blanks cost nothing in silence, and would hide any number of wrong letters there. The score is the exponential of
    that, 1 where the best path itself spells the keyword. It is computed frame by frame and carried over from block to
    block, so that blocks have no seams.

    Args:
        keywords: name of each → ids of its letters, as `Vocabulary.spell` gives them.
        vocabulary: the model's letters.
        frame_seconds: from one frame to the next.
    """

    reads = LETTERS

    def __init__(self, keywords: Mapping[str, tuple[int, ...]], vocabulary: Vocabulary, frame_seconds: float) -> None:
        self._names = list(keywords)
        blank, delimiter = vocabulary.blank, vocabulary.delimiter
        rows = [[delimiter, *ids, delimiter] for ids in keywords.values()]
        width = max((2 * len(row) - 1 for row in rows), default=0)
        # States: delimiter, blank, letter, blank, …, letter, blank, delimiter; what stands after them is never reached.
        self._states = np.full((len(rows), width), -1)
        for states, row in zip(self._states, rows, strict=True):
            states[: 2 * len(row) - 1 : 2], states[1 : 2 * len(row) - 1 : 2] = row, blank
        # From letter to letter without a blank, unless they are the same.
        self._skips = np.zeros(self._states.shape, bool)
        self._skips[:, 2::2] = self._states[:, 2::2] != self._states[:, :-2:2]
        self._last = np.array([2 * len(row) - 2 for row in rows], int)
        self._places = np.arange(len(rows))
        # At the recording's ends, and where it cannot be used, keywords end and begin.
        self._boundary = np.full(self._states.shape, -np.inf)
        self._boundary[:, 0] = self._boundary[self._places, self._last] = 0.0
        self._is_letter = ~np.isin(self._states, (blank, delimiter, -1))
        pauses = np.array([row[1:-1].count(delimiter) for row in rows])
        longest = LONGEST_BESIDES + LONGEST_LETTER * self._is_letter.sum(axis=1) + LONGEST_PAUSE * pauses
        self._longest = np.round(longest / frame_seconds)
        self._ratios = np.full(self._states.shape, -np.inf)
        self._ratios[:, 0] = 0.0  # before the first frame, as if a word had just ended
        self._counts = np.zeros(self._states.shape, int)  # frames spent on letters
        self._starts = np.zeros(self._states.shape, int)
        self._ends = np.zeros(self._states.shape, int)

    def add(self, block: FrameBlock) -> Iterator[Hit]:
        letters = block.array(LETTERS).astype(np.float64)
        ratios_of_all = letters - letters.max(axis=1, keepdims=True)
        padded = np.pad(ratios_of_all, ((0, 0), (0, 1)), constant_values=-np.inf)  # for the states -1
        for frame, (ratios, usable) in enumerate(zip(padded, block.usable, strict=True), block.first):
            self._step(frame, ratios[self._states] if usable else self._boundary)
            yield from self._hits()
        if block.last:
            self._step(block.first + len(letters), self._boundary)
            yield from self._hits()

    def _step(self, frame: int, ratios: np.ndarray) -> None:
        """Moves all paths on to the next frame, which gives each state these ratios."""
        stay, before, skip = self._ratios, _shifted(self._ratios, 1, -np.inf), _shifted(self._ratios, 2, -np.inf)
        skip = np.where(self._skips, skip, -np.inf)
        came_in = np.maximum(before, skip)
        came_in[:, 0] = 0.0  # anywhere, from the filler
        moved = came_in > stay
        moved[self._places, self._last] = True  # a keyword ends with the first frame of the delimiter
        stay = stay.copy()
        stay[self._places, self._last] = -np.inf
        skipped = moved & (skip > before)

        def carried(values: np.ndarray) -> np.ndarray:
            moving = np.where(skipped, _shifted(values, 2, 0), _shifted(values, 1, 0))
            return np.where(moved, moving, values)

        self._starts, self._ends, self._counts = map(carried, (self._starts, self._ends, self._counts))
        self._starts[:, 2][moved[:, 2]] = frame
        self._counts[:, 2][moved[:, 2]] = 0
        self._counts += self._is_letter
        self._ends[self._places, self._last - 2] = frame + 1
        self._ratios = np.maximum(came_in, stay) + ratios

    def _hits(self) -> Iterator[Hit]:
        """Hits of the keywords that end with this frame."""
        here = self._places, self._last
        starts, ends = self._starts[here], self._ends[here]
        scores = np.exp(self._ratios[here] / np.maximum(1, self._counts[here]))
        for place in np.flatnonzero((scores >= LOWEST) & (ends - starts <= self._longest)):
            yield Hit(self._names[place], int(starts[place]), int(ends[place]), float(scores[place]))


def _shifted(values: np.ndarray, by: int, fill: float) -> np.ndarray:
    """(K, S) moved to the right."""
    shifted = np.full_like(values, fill)
    shifted[:, by:] = values[:, :-by]
    return shifted
