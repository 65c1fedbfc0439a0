"""The letters of a CTC model, and how words are spelt with them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

from novaspeech.errors import OptionError, WeightsError

APOSTROPHES = str.maketrans("’‘ʼ´`′", 6 * "'")  # editors and people write them in these forms
_LIGATURES = {"ß": "ss", "ẞ": "SS", "œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE"}
_BARRED = dict(zip("øØłŁđĐı", "oOlLdDi", strict=True))  # Unicode has no accent for their strokes
_PLAIN = str.maketrans(_LIGATURES | _BARRED)


@dataclass(frozen=True)
class Vocabulary:
    """The meaning of a CTC model's outputs.

    Attributes:
        letters: letter → id.
        blank: id of CTC's blank.
        delimiter: id of the delimiter between words.
    """

    letters: dict[str, int]
    blank: int
    delimiter: int

    @classmethod
    def of(cls, tokenizer: Any, size: int) -> Vocabulary:
        """The vocabulary of a `Wav2Vec2CTCTokenizer` for a model with `size` outputs; WeightsError if it misfits."""
        tokens: dict[str, int] = tokenizer.get_vocab()
        delimiter = tokens.get(tokenizer.word_delimiter_token)
        special = {*tokenizer.all_special_ids, delimiter}
        letters = {token: number for token, number in tokens.items() if len(token) == 1 and number not in special}
        blank = tokenizer.pad_token_id
        if delimiter is None or blank is None or not letters or max(*letters.values(), delimiter, blank) >= size:
            raise WeightsError(
                f"the model's vocabulary must have a blank, a word delimiter, and letters with ids below {size}; it "
                f"has {sorted(tokens)[:40]}"
            )
        return cls(letters, blank, delimiter)

    def spell(self, keyword: str) -> tuple[int, ...]:
        """Ids of a keyword's letters, with the delimiter between words; OptionError for letters that it lacks."""
        keyword = keyword.translate(APOSTROPHES)
        words = self._parted(keyword).split()
        if not words:
            raise OptionError("a keyword is empty; write words with commas between them, for example: hello, thank you")
        unknown = sorted({letter for word in words for letter in word if self._id(letter) is None})
        if unknown:
            raise OptionError(
                f"keyword {keyword!r} has {', '.join(map(repr, unknown))}, which the model does not write; it writes "
                f"{' '.join(sorted(self.letters))}{self._remedy(keyword)}"
            )
        ids: list[int] = []
        for word in words:
            ids += [self.delimiter] * bool(ids) + [self._id(letter) or 0 for letter in word]
        return tuple(ids)

    def _parted(self, keyword: str) -> str:
        """The keyword with blanks for hyphens and underscores, which a scheme's classes are written with."""
        return "".join(" " if letter in "-_" and letter not in self.letters else letter for letter in keyword)

    def write(self, ids: tuple[int, ...]) -> str:
        """The text that ids of `spell` stand for."""
        names = {number: letter for letter, number in self.letters.items()}
        return "".join(names.get(number, " ") for number in ids)

    def without_accents(self, text: str) -> str:
        """A text without the accents and ligatures that the model does not write."""

        def plain(letter: str) -> str:
            parts = unicodedata.normalize("NFKD", letter.translate(_PLAIN))
            bases = [base for base in parts if not unicodedata.combining(base)]
            return letter if self._id(letter) is not None else "".join(bases)

        return "".join(map(plain, text))

    def _id(self, letter: str) -> int | None:
        return next(
            (self.letters[form] for form in (letter, letter.upper(), letter.lower()) if form in self.letters), None
        )

    def _remedy(self, keyword: str) -> str:
        bare = self.without_accents(keyword)
        bare = " ".join("".join(letter if self._id(letter) is not None else " " for letter in bare).split())
        return f"; {bare!r} would do" if bare and not any(map(str.isdigit, keyword)) else "; spell it as it is spoken"
