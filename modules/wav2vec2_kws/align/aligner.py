"""Forced alignment: when each word of a transcript is said, over recordings of any length in constant memory.

Words that the model recognises and the transcript has cut the recording into pieces (`anchors`); in each piece the most
likely path through its words is found (`trellis`). What is not said, or cannot be spelt, keeps its place in the order.
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Sequence
from functools import partial

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

SHORTEST_PIECE = 10.0  # seconds; shorter ones would save nothing
LISTED = 10  # words that a log line names


class Aligner:
    """Takes a recording's frames block by block, as a `Detector`, and then places a transcript's words in it.

    A word lasts from the first frame of its first letter to the last one of its last, or of the recognised word that it
    is most of. Its confidence is the exponential of the ratio of its letters and the best ones, by frame that it
    spends on letters: 1 where the best path itself spells the word. A word that is skipped has confidence 0, and shares
    the speech between its neighbours with other skipped words. Frames that cannot be used hold skipped words only.

    Args:
        words: as the transcript writes them.
        vocabulary: the model's letters.
        frame_seconds: from one frame to the next.
        log: takes lines about words that are not heard or cannot be spelt.
        costs: what it costs to leave the transcript, as the model has it.
    """

    reads = LETTERS

    def __init__(
        self, words: Sequence[str], vocabulary: Vocabulary, frame_seconds: float, log: Log, costs: Costs
    ) -> None:
        self._words, self._vocabulary, self._frame_seconds, self._log = words, vocabulary, frame_seconds, log
        self._costs = costs
        self._spellings = [spell_word(word, vocabulary) for word in words]
        self._decoder = WordDecoder(vocabulary)
        self._heard: list[Hit] = []
        self._usable: list[BoolArray] = []
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 (until finish, or until nobody refers to it)
        self._width = self._count = 0

    def add(self, block: FrameBlock) -> Sequence[Hit]:
        """Takes the recording's next frames; no word is known before `finish`."""
        values = block.array(LETTERS)
        ratios = values - values.max(axis=1, keepdims=True)
        ratios[~block.usable] = np.nan
        self._spool.write(ratios.astype(np.float16).tobytes())
        self._width, self._count = values.shape[1], block.end
        self._usable.append(block.usable)
        self._heard += self._decoder.add(block)
        return ()

    def finish(self) -> list[Hit]:
        """All words of the transcript, in order and without overlap. To be called once, after the last block.

        Words that are skipped may have no length, where there is no time for them.
        """
        texts = [self._vocabulary.write(spelling) for spelling in self._spellings]
        found: dict[int, Hit] = {}
        shortest = round(SHORTEST_PIECE / self._frame_seconds)
        for piece in cut(texts, self._heard, self._count, shortest) if self._count else ():
            found |= self._align(piece, texts)
        found = widened(found, self._heard)
        usable = np.concatenate([np.zeros(0, bool), *self._usable])
        hits = with_skipped(self._words, found, self._heard, usable, self._frame_seconds)
        self._spool.close()
        self._tell(hits, found)
        return hits

    def _align(self, piece: Piece, texts: Sequence[str]) -> dict[int, Hit]:
        """Index → place of the words that are heard in a piece."""
        (begin, end), words = piece.frames, slice(*piece.words)
        graph = Graph(self._spellings[words], self._vocabulary, self._width, self._costs)
        lows, width = band(graph, texts[words], self._heard[slice(*piece.heard)], begin, end - begin)
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
            place = piece.words[0] + number
            found[place] = Hit(self._words[place], begin + start, begin + stop, float(np.exp(min(0.0, ratio))))
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

    def _tell(self, hits: Sequence[Hit], found: dict[int, Hit]) -> None:
        """Logs which words are skipped."""
        skipped = [place for place in range(len(hits)) if place not in found]
        kinds = {
            "are not heard where the transcript has them": [place for place in skipped if self._spellings[place]],
            "cannot be spelt by the model": [place for place in skipped if not self._spellings[place]],
        }
        for what, places in kinds.items():
            listed = [f"{hits[place].name} ({hits[place].start * self._frame_seconds:.2f} s)" for place in places]
            if len(places) > LISTED:
                listed[LISTED:] = ["…"]
            if places:
                self._log(f"{len(places)} of {len(hits)} words {what}, and have confidence 0: {', '.join(listed)}")
        if len(skipped) > len(hits) / 2:
            self._log("most words have no place; are these the words of this recording?")


def spell_word(word: str, vocabulary: Vocabulary) -> tuple[int, ...]:
    """A word's letters as the model writes them, with the delimiter between its parts; () if it does not write it.

    Parts have hyphens, dots or other punctuation between them. Accents fall only where the model lacks the letter.
    """
    word = unicodedata.normalize("NFC", word).translate(APOSTROPHES)
    parts = "".join(letter if _is_sound(letter) else " " for letter in word).split()
    parts = [part for part in (part.strip("'") for part in parts) if part]
    for form in (str, partial(_bare, vocabulary)):
        try:
            return vocabulary.spell(" ".join(map(form, parts)))
        except OptionError:
            continue
    return ()


def _is_sound(letter: str) -> bool:
    return letter in "'" + SPOKEN_SIGNS or not re.match("[PZCS]", unicodedata.category(letter))


def _bare(vocabulary: Vocabulary, text: str) -> str:
    """A text without the accents that the model does not write."""

    def plain(letter: str) -> str:
        known = any(form in vocabulary.letters for form in (letter, letter.upper(), letter.lower()))
        bases = [base for base in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(base)]
        return letter if known else "".join(bases)

    return "".join(map(plain, text))
