"""Transcripts, as people and programs write them → words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from novaspeech.errors import RequestError
from novaspeech.formats.annotated import ENDINGS, Annotated, segments_in
from novaspeech.formats.spoken import text_of_docx
from novaspeech.formats.text import text_of, unreadable
from novaspeech.hooks import Log, ignore
from novaspeech.segments import Segment
from novaspeech.server import host
from wav2vec2_kws.align.notes import without_notes
from wav2vec2_kws.align.said_tiers import said_tiers

# Aligners write these where nobody speaks.
SILENCES = frozenset({"sil", "sp", "spn", "<sil>", "<p:>", "<p>", "<eps>"})

# Thai, Lao, Burmese, Khmer, Japanese and Chinese. Vowel signs are no letters to Python; "ー" makes a vowel longer.
_NO_BLANKS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_NO_LETTER = r"(?:[^\w\s]|[ー々ๆ])*"
_WORD = re.compile(rf"[^\w\s]*[{_NO_BLANKS}]{_NO_LETTER}|[^\s{_NO_BLANKS}]+")

SPOKEN_SIGNS = "&@%#§+=€$£"  # signs that are read aloud, unlike other punctuation


def read_transcript(path: Path, tier: str = "", log: Log = ignore) -> list[str]:
    """The words of a transcript, as it writes them, in the order of time, without notes and speakers' labels.

    - `.txt`, `.docx`: all of its text.
    - `.TextGrid`, `.eaf`, `.cha`, `.srt`, `.vtt`, whisper's `.json`, tables: the labels of its segments. Of tiers those
      that hold what was said (`said_tiers`), one for each speaker, merged by the times at which segments start.
    - `.annotation`: the labels of a free annotation of NOVA or DISCOVER.

    Text is UTF-8, UTF-16 with a byte order mark, or else Windows-1252.

    Args:
        tier: names of the tiers to read, with commas between.
        log: takes lines about speakers, and about what is left out.

    Raises:
        RequestError: the file is missing, of another kind or damaged, holds no words, or no tier is clearly of words.
        PackageError: a package that reads this kind of file is missing.
    """
    path = path.expanduser()
    ending = path.suffix.lower()
    if ending not in (*_READERS, *ENDINGS):
        raise RequestError(f"transcript {path} must end in {', '.join((*_READERS, *ENDINGS[:-1]))} or {ENDINGS[-1]}")
    if not path.is_file():
        raise RequestError(f"transcript {path} does not exist")
    try:
        rows = _READERS[ending](path) if ending in _READERS else _of_tiers(path, tier)
    except RequestError as error:
        raise RequestError(f"transcript {error}") from error
    words = [word for row in without_notes(rows, log, chat=ending == ".cha") for word in split_words(row.label)]
    if not words:
        raise RequestError(f"transcript {path} has no words; it must hold what is said in the recording")
    return words


def words_of(segments: Sequence[Segment], log: Log = ignore) -> list[str]:
    """The words of an annotation's segments, in the order of time; RequestError if it has none."""
    words = [word for row in without_notes(_rows(segments), log) for word in split_words(row.label)]
    if not words:
        raise RequestError("the annotation of the transcript has no words; it must hold what is said in the recording")
    return words


def split_words(text: str) -> list[str]:
    """Words between blanks that have a letter, a digit or a sign that is read aloud, such as "&".

    In scripts without blanks each character is a word, with its vowel signs and punctuation.
    """
    return [word for word in _WORD.findall(text) if re.search(rf"[^\W_]|[{SPOKEN_SIGNS}]", word)]


def _of_tiers(path: Path, tier: str) -> list[Annotated]:
    tiers: dict[str, list[Annotated]] = {}
    for row in segments_in(path):
        if row.label.strip().lower() not in SILENCES:
            tiers.setdefault(row.tier, []).append(row)
    names = said_tiers(path, tiers, tier) if tiers else ()
    return sorted((row for name in names for row in tiers[name]), key=lambda row: row.start)


def _annotation(path: Path) -> list[Annotated]:
    try:
        annotation = host.FileHandler().load(path)
    except Exception as error:
        raise unreadable(path, "an annotation", error) from error
    if not isinstance(annotation, host.FreeAnnotation):
        raise RequestError(f"{path} is no free annotation; the labels of a free one are read as text")
    return _rows(host.segments_of(annotation, str(path)))


def _rows(segments: Sequence[Segment]) -> list[Annotated]:
    ordered = sorted(segments, key=lambda segment: segment.start_ms)
    return [Annotated("", one.start_ms / 1000, one.end_ms / 1000, "", "", one.name) for one in ordered]


def _untimed(text: str) -> list[Annotated]:
    return [Annotated("", 0.0, None, "", "", text)]


_READERS: dict[str, Callable[[Path], list[Annotated]]] = {
    ".txt": lambda file: _untimed(text_of(file)),
    ".docx": lambda file: _untimed(text_of_docx(file)),
    ".annotation": _annotation,
}
