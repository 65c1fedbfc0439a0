"""Forced alignment: the times of a transcript's words, over recordings of any length in constant memory.

Words that are both recognised and in the transcript cut the recording into pieces (`anchors`). In each piece the most
likely path through its words is found (`trellis`). A word that is not said, or cannot be spelt, keeps its place in the
order (`word_extents`).
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Sequence

import numpy as np

from novaspeech.arrays import BoolArray
from novaspeech.errors import OptionError
from novaspeech.hooks import Log
from novaspeech.inference.pooling import FrameBlock
from wav2vec2_kws.align.anchors import Piece, band, cut
from wav2vec2_kws.align.transcript import SPOKEN_SIGNS
from wav2vec2_kws.align.trellis import BLOCK, Costs, Graph, Indices, Ratios, best_path, with_gaps
from wav2vec2_kws.align.word_extents import widened, with_skipped
from wav2vec2_kws.encoder import LETTERS
from wav2vec2_kws.hits import Hit
from wav2vec2_kws.vocabulary import APOSTROPHES, Vocabulary
from wav2vec2_kws.words import WordDecoder

SHORTEST_PIECE = 10.0  # seconds; shorter pieces would save nothing
LISTED = 10  # words that a log line names at most


class Aligner:
    """Takes a recording's frames block by block, as a `Detector`, and then places a transcript's words in it.

    A word lasts from the first frame of its first letter to the last frame of its last letter, or as long as the
    recognised word that it is most of. Its confidence is the exponential of the mean log-likelihood ratio of its
    letters and the best letters, over the frames that it spends on letters: 1 where the best path itself spells the
    word. A skipped word has confidence 0, and shares the speech between its neighbours with other skipped words.
    Unusable frames hold skipped words only.

    Args:
        words: the transcript's words as it writes them.
        log: takes lines about words that are not heard or cannot be spelt.
        costs: costs of leaving the transcript, which belong to the model.
    """

    reads = LETTERS

    def __init__(
        self, words: Sequence[str], vocabulary: Vocabulary, frame_seconds: float, log: Log, costs: Costs
    ) -> None:
        self._words, self._vocabulary, self._frame_seconds, self._log = words, vocabulary, frame_seconds, log
        self._costs = costs
        self._spellings = [spell_word(word, vocabulary) for word in words]
        self._decoder = WordDecoder(vocabulary)
        self._recognised: list[Hit] = []
        self._usable: list[BoolArray] = []
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 (it lives until finish, or as long as this object)
        self._width = self._count = 0

    def add(self, block: FrameBlock) -> Sequence[Hit]:
        """Takes the recording's next frames; no word is known before `finish`."""
        values = block.array(LETTERS)
        ratios = values - values.max(axis=1, keepdims=True)
        ratios[~block.usable] = np.nan
        self._spool.write(ratios.astype(np.float16).tobytes())
        self._width, self._count = values.shape[1], block.end
        self._usable.append(block.usable)
        self._recognised += self._decoder.add(block)
        return ()

    def finish(self) -> list[Hit]:
        """The words of the transcript, in order and without overlap. Call it once, after the last block.

        Skipped words have no length where there is no time for them.
        """
        texts = [self._vocabulary.write(spelling) for spelling in self._spellings]
        found: dict[int, Hit] = {}
        shortest = round(SHORTEST_PIECE / self._frame_seconds)
        for piece in cut(texts, self._recognised, self._count, shortest) if self._count else ():
            found |= self._align(piece, texts)
        found = widened(found, self._recognised)
        usable = np.concatenate([np.zeros(0, bool), *self._usable])
        hits = with_skipped(self._words, found, self._recognised, usable, self._frame_seconds)
        self._spool.close()
        self._log_skipped(hits, found)
        return hits

    def _align(self, piece: Piece, texts: Sequence[str]) -> dict[int, Hit]:
        """Index → hit of the words that are heard in a piece."""
        (begin, end), words = piece.frames, slice(*piece.words)
        graph = Graph(self._spellings[words], self._vocabulary, self._width, self._costs)
        recognised = self._recognised[slice(*piece.recognised)]
        lows, width = band(graph, texts[words], recognised, begin, end - begin)
        path = best_path(graph, lambda first, last: self._read(begin + first, begin + last), lows, width)
        in_word = np.flatnonzero(graph.ids[path] <= self._width)
        scores = np.concatenate([[0.0], np.cumsum(self._scores(begin, graph, path))])
        letters = np.concatenate([[0], np.cumsum(graph.letters[path])])
        numbers, firsts = np.unique(graph.words[path[in_word]], return_index=True)
        lasts = [*firsts.tolist(), len(in_word)][1:]
        found = {}
        for number, first, last in zip(numbers.tolist(), firsts.tolist(), lasts, strict=True):
            start, stop = int(in_word[first]), int(in_word[last - 1]) + 1
            ratio = (scores[stop] - scores[start]) / (letters[stop] - letters[start])
            index = piece.words[0] + number
            found[index] = Hit(self._words[index], begin + start, begin + stop, float(np.exp(min(0.0, ratio))))
        return found

    def _read(self, begin: int, end: int) -> Ratios:
        """Frames [begin, end) of the recording, as `best_path` takes them."""
        size = 2 * self._width
        self._spool.seek(begin * size)
        ratios = np.frombuffer(self._spool.read((end - begin) * size), np.float16).reshape(-1, self._width)
        return with_gaps(ratios.astype(np.float64), self._vocabulary, self._costs)

    def _scores(self, begin: int, graph: Graph, path: Indices) -> Ratios:
        """(F,) the ratio that each frame of a path gives its state, without the costs of pauses."""
        parts = [np.zeros(0)]
        for first in range(0, len(path), BLOCK):
            ids = graph.ids[path[first : first + BLOCK]]
            rows = self._read(begin + first, begin + first + len(ids))
            parts.append(rows[np.arange(len(ids)), ids] + self._costs.pause * (ids == self._width))
        return np.concatenate(parts)

    def _log_skipped(self, hits: Sequence[Hit], found: dict[int, Hit]) -> None:
        skipped = [index for index in range(len(hits)) if index not in found]
        kinds = {
            "are not heard where the transcript has them": [index for index in skipped if self._spellings[index]],
            "cannot be spelt by the model": [index for index in skipped if not self._spellings[index]],
        }
        for what, chosen in kinds.items():
            listed = [f"{hits[index].name} ({hits[index].start * self._frame_seconds:.2f} s)" for index in chosen]
            if len(chosen) > LISTED:
                listed[LISTED:] = ["…"]
            if chosen:
                self._log(f"{len(chosen)} of {len(hits)} words {what}, and have confidence 0: {', '.join(listed)}")
        if len(skipped) > len(hits) / 2:
            self._log("most words have no place; are these the words of this recording?")


def spell_word(word: str, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Ids of a word's letters, with the delimiter between its parts; () if the model does not write it.

    Hyphens, dots and other punctuation separate parts. An accent falls only where the model lacks the letter.
    """
    word = unicodedata.normalize("NFC", word).translate(APOSTROPHES)
    parts = "".join(letter if _is_sound(letter) else " " for letter in word).split()
    parts = [part for part in (part.strip("'") for part in parts) if part]
    for form in (str, vocabulary.without_accents):
        try:
            return vocabulary.spell(" ".join(map(form, parts)))
        except OptionError:
            continue
    return ()


def _is_sound(letter: str) -> bool:
    return letter in "'" + SPOKEN_SIGNS or not re.match("[PZCS]", unicodedata.category(letter))
