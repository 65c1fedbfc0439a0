"""Keywords by spelling: among recognised words, and by the CTC score of their letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import Levenshtein

from novaspeech.inference.pooling import FrameBlock
from wav2vec2_kws.encoder import LETTERS
from wav2vec2_kws.hits import Hit
from wav2vec2_kws.vocabulary import Vocabulary
from wav2vec2_kws.words import WordDecoder

LONGEST_PAUSE = 1.0  # seconds between the words of a phrase
LOWEST = 0.01  # lowest score of a hit that is reported
# A keyword lasts at most this many seconds for each letter, plus a constant, plus LONGEST_PAUSE for each pause.
LONGEST_LETTER, LONGEST_BESIDES = 0.2, 0.5


class WordDetector:
    """Keywords among recognised words, with a few wrong letters.

    Args:
        keywords: keyword as the user writes it → as the model writes it.
        tolerance: edits (letters inserted, deleted or exchanged) that are allowed.
    """

    reads = LETTERS

    def __init__(
        self, keywords: Mapping[str, str], tolerance: int, vocabulary: Vocabulary, frame_seconds: float
    ) -> None:
        self._decoder = WordDecoder(vocabulary)
        self._keywords = {name: (text, text.count(" ") + 1) for name, text in keywords.items()}
        self._tolerance = tolerance
        self._longest_pause = round(LONGEST_PAUSE / frame_seconds)
        self._recent: list[Hit] = []
        self._most = max((count for _, count in self._keywords.values()), default=1)

    def add(self, block: FrameBlock) -> Iterator[Hit]:
        for word in self._decoder.add(block):
            yield from self.match(word)

    def match(self, word: Hit) -> Iterator[Hit]:
        """Keywords that end with this word, the next one of the recording. Each edit lowers the score."""
        self._recent = [*self._recent, word][-self._most :]
        for name, (text, count) in self._keywords.items():
            words = self._recent[-count:]
            together = all(following.start - before.end <= self._longest_pause for before, following in pairwise(words))
            # A word that could be left out as a whole would match anything.
            allowed = min(self._tolerance, min(map(len, text.split())) - 1)
            edits = Levenshtein.distance(text, " ".join(part.name for part in words), score_cutoff=allowed)
            if len(words) == count and together and edits <= allowed:
                share = 1 - edits / len(text)
                yield Hit(name, words[0].start, words[-1].end, share * min(part.score for part in words))


class SpellingDetector:
    """Keywords by the log-likelihood ratio of keyword and filler (Rose and Paul 1990) on CTC's letters.

    It finds keywords that the best path spells otherwise. A keyword is its letters with CTC's blanks. A word delimiter,
    or an end of the recording, stands before and after them. The filler is the best path; it may stand before and after
    the keyword. Viterbi's algorithm finds the most likely path through the keyword, with a free start and end. The
    path's ratio to the best path is divided by the frames that it spends on letters: blanks cost nothing in silence,
    and would hide any number of wrong letters there. The score is the exponential of that; it is 1 where the best path
    itself spells the keyword. The state is carried over from block to block, so that blocks have no seams.

    Args:
        keywords: name → ids of its letters, as `Vocabulary.spell` gives them.
    """

    reads = LETTERS

    def __init__(self, keywords: Mapping[str, tuple[int, ...]], vocabulary: Vocabulary, frame_seconds: float) -> None:
        self._names = list(keywords)
        blank, delimiter = vocabulary.blank, vocabulary.delimiter
        rows = [[delimiter, *ids, delimiter] for ids in keywords.values()]
        width = max((2 * len(row) - 1 for row in rows), default=0)
        # States: delimiter, blank, letter, blank, …, letter, blank, delimiter; those after them are never reached.
        self._states = np.full((len(rows), width), -1)
        for states, row in zip(self._states, rows, strict=True):
            states[: 2 * len(row) - 1 : 2], states[1 : 2 * len(row) - 1 : 2] = row, blank
        # A path may go from letter to letter without a blank, unless they are the same.
        self._skips = np.zeros(self._states.shape, bool)
        self._skips[:, 2::2] = self._states[:, 2::2] != self._states[:, :-2:2]
        self._last = np.array([2 * len(row) - 2 for row in rows], int)
        self._indices = np.arange(len(rows))
        # Keywords begin and end at the recording's ends, and where it cannot be used.
        self._boundary = np.full(self._states.shape, -np.inf)
        self._boundary[:, 0] = self._boundary[self._indices, self._last] = 0.0
        self._is_letter = ~np.isin(self._states, (blank, delimiter, -1))
        pauses = np.array([row[1:-1].count(delimiter) for row in rows])
        longest = LONGEST_BESIDES + LONGEST_LETTER * self._is_letter.sum(axis=1) + LONGEST_PAUSE * pauses
        self._longest = np.round(longest / frame_seconds)
        self._ratios = np.full(self._states.shape, -np.inf)
        self._ratios[:, 0] = 0.0  # a word has just ended before the first frame
        self._counts = np.zeros(self._states.shape, int)  # frames spent on letters
        self._starts = np.zeros(self._states.shape, int)
        self._ends = np.zeros(self._states.shape, int)

    def add(self, block: FrameBlock) -> Iterator[Hit]:
        letters = block.array(LETTERS).astype(np.float64)
        ratios_of_all = letters - letters.max(axis=1, keepdims=True)
        padded = np.pad(ratios_of_all, ((0, 0), (0, 1)), constant_values=-np.inf)  # the state -1 reads the last column
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
        came_in[:, 0] = 0.0  # the filler leads into a keyword anywhere
        moved = came_in > stay
        moved[self._indices, self._last] = True  # a keyword ends with the first frame of the delimiter
        stay = stay.copy()
        stay[self._indices, self._last] = -np.inf
        skipped = moved & (skip > before)

        def carried(values: np.ndarray) -> np.ndarray:
            moving = np.where(skipped, _shifted(values, 2, 0), _shifted(values, 1, 0))
            return np.where(moved, moving, values)

        self._starts, self._ends, self._counts = map(carried, (self._starts, self._ends, self._counts))
        self._starts[:, 2][moved[:, 2]] = frame
        self._counts[:, 2][moved[:, 2]] = 0
        self._counts += self._is_letter
        self._ends[self._indices, self._last - 2] = frame + 1
        self._ratios = np.maximum(came_in, stay) + ratios

    def _hits(self) -> Iterator[Hit]:
        """Keywords that end with this frame."""
        here = self._indices, self._last
        starts, ends = self._starts[here], self._ends[here]
        scores = np.exp(self._ratios[here] / np.maximum(1, self._counts[here]))
        for place in np.flatnonzero((scores >= LOWEST) & (ends - starts <= self._longest)):
            yield Hit(self._names[place], int(starts[place]), int(ends[place]), float(scores[place]))


def _shifted(values: np.ndarray, by: int, fill: float) -> np.ndarray:
    """Values (K, S), moved to the right."""
    shifted = np.full_like(values, fill)
    shifted[:, by:] = values[:, :-by]
    return shifted
