"""The words that a CTC model spells along its best path, and their times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import Levenshtein

from novaspeech.inference.pooling import FrameBlock
from wav2vec2_kws.encoder import LETTERS
from wav2vec2_kws.hits import Hit
from wav2vec2_kws.vocabulary import Vocabulary

LONGEST_PAUSE = 1.0  # seconds between the words of a phrase


class WordDecoder:
    """Best path → words, as transformers' `Wav2Vec2CTCTokenizer.decode(…, output_word_offsets=True)` finds them.

    A word lasts from the first frame of its first letter to the last one of its last. Its score is the mean probability
    (geometric) of the best path over these frames. Unusable frames part words.
    """

    reads = LETTERS

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._names = {number: letter for letter, number in vocabulary.letters.items()}
        self._before = vocabulary.blank
        self._text = ""
        self._start = self._end = 0
        self._evidence = self._pending = 0.0  # sums of log-probabilities: to the last letter's end, and after it

    def add(self, block: FrameBlock) -> Iterator[Hit]:
        letters = np.where(block.usable, block.array(LETTERS).argmax(axis=1), self._vocabulary.delimiter)
        values: list[float] = block.array(LETTERS).max(axis=1).tolist()
        for frame, (number, value) in enumerate(zip(letters.tolist(), values, strict=True), block.first):
            if number == self._vocabulary.delimiter:
                yield from self._flush()
            elif number in self._names:
                if number != self._before:
                    if not self._text:
                        self._start, self._evidence, self._pending = frame, 0.0, 0.0
                    self._text += self._names[number]
                self._evidence += self._pending + value
                self._end, self._pending = frame + 1, 0.0
            else:
                self._pending += value
            self._before = number
        if block.last:
            yield from self._flush()

    def _flush(self) -> Iterator[Hit]:
        if self._text:
            score = float(np.exp(self._evidence / (self._end - self._start)))
            yield Hit(self._text, self._start, self._end, score)
        self._text = ""


class WordDetector:
    """Keywords among recognised words, see `WordMatcher`.

    Args:
        keywords, tolerance, frame_seconds: see `WordMatcher`.
        vocabulary: the model's letters.
    """

    reads = LETTERS

    def __init__(
        self, keywords: Mapping[str, str], tolerance: int, vocabulary: Vocabulary, frame_seconds: float
    ) -> None:
        self._decoder = WordDecoder(vocabulary)
        self._matcher = WordMatcher(keywords, tolerance, frame_seconds)

    def add(self, block: FrameBlock) -> Iterator[Hit]:
        for word in self._decoder.add(block):
            yield from self._matcher.match(word)


class WordMatcher:
    """Keywords among recognised words, with so many wrong letters. Between the words of a phrase a second may pass.

    Args:
        keywords: as the user writes each → as the model writes it.
        tolerance: edits (letters put in, left out or exchanged) that are allowed.
        frame_seconds: from one frame to the next.
    """

    def __init__(self, keywords: Mapping[str, str], tolerance: int, frame_seconds: float) -> None:
        self._keywords = {name: (text, text.count(" ") + 1) for name, text in keywords.items()}
        self._tolerance = tolerance
        self._longest_pause = round(LONGEST_PAUSE / frame_seconds)
        self._recent: list[Hit] = []
        self._most = max((count for _, count in self._keywords.values()), default=1)

    def match(self, word: Hit) -> Iterator[Hit]:
        """Keywords that end with this word, the next one of the recording; a score falls with each edit."""
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
