"""The words that a CTC model spells along its best path, and their times."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from novaspeech.inference.pooling import FrameBlock
from wav2vec2_kws.encoder import LETTERS
from wav2vec2_kws.hits import Hit
from wav2vec2_kws.vocabulary import Vocabulary


class WordDecoder:
    """Best path → words, as transformers' `Wav2Vec2CTCTokenizer.decode(…, output_word_offsets=True)` finds them.

    A word lasts from the first frame of its first letter to the last frame of its last letter. Its score is the
    geometric mean of the best path's probabilities in these frames. Unusable frames separate words.
    """

    reads = LETTERS

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._names = {number: letter for letter, number in vocabulary.letters.items()}
        self._before = vocabulary.blank
        self._text = ""
        self._start = self._end = 0
        # Sums of log-probabilities: up to the last letter's end, and after it.
        self._evidence = self._pending = 0.0

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
