"""Transcripts: text, subtitles, Praat's TextGrids and free annotations → words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from novaspeech.errors import RequestError
from novaspeech.formats.praat import read_textgrid
from novaspeech.formats.subtitles import read_subtitles
from novaspeech.formats.text import text_of, unreadable
from novaspeech.segments import Segment
from novaspeech.server import host

# A tier of a TextGrid holds what was said if its name ends with one of these words; other tiers are then left out.
TIERS = ("words", "word", "transcript", "transcription", "utterances", "orthography", "ort", "text")
# Aligners write these where nobody speaks.
SILENCES = frozenset({"sil", "sp", "spn", "<sil>", "<p:>", "<p>", "<eps>"})

SPOKEN_SIGNS = "&@%#§+=€$£"  # signs that are read aloud, unlike other punctuation


def read_transcript(path: Path) -> list[str]:
    """The words of a transcript, as it writes them, in the order of time.

    - `.txt`: all of its text.
    - `.srt`, `.vtt`: the text of the subtitles, without markup.
    - `.TextGrid`: the labels of its interval tiers. Only tiers called "words", "transcript" or the like (`TIERS`),
      alone or as the end of a name ("Anna - words"), are read if there are some. Tiers of several speakers are merged
      by the times at which intervals start.
    - `.annotation`: the labels of a free annotation of NOVA or DISCOVER.

    Text is UTF-8, UTF-16 with a byte order mark, or else Windows-1252.

    Raises:
        RequestError: the file is missing, of another kind or damaged, or holds no words.
    """
    readers: dict[str, Callable[[Path], Sequence[str]]] = {
        ".txt": lambda file: [text_of(file)],
        ".srt": lambda file: [row.label for row in read_subtitles(file)],
        ".vtt": lambda file: [row.label for row in read_subtitles(file)],
        ".textgrid": _textgrid,
        ".annotation": _annotation,
    }
    path = path.expanduser()
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise RequestError(f"transcript {path} must end in .txt, .srt, .vtt, .TextGrid or .annotation")
    if not path.is_file():
        raise RequestError(f"transcript {path} does not exist")
    try:
        words = [word for text in reader(path) for word in split_words(text)]
    except RequestError as error:
        raise RequestError(f"transcript {error}") from error
    if not words:
        raise RequestError(f"transcript {path} has no words; it must hold what is said in the recording")
    return words


def words_of(segments: Sequence[Segment]) -> list[str]:
    """The words of an annotation's segments, in the order of time; RequestError if it has none."""
    words = [word for text in _texts(segments) for word in split_words(text)]
    if not words:
        raise RequestError("the annotation of the transcript has no words; it must hold what is said in the recording")
    return words


def split_words(text: str) -> list[str]:
    """Words between blanks that have a letter, a digit or a sign that is read aloud, such as "&"."""
    return [word for word in text.split() if re.search(rf"[^\W_]|[{SPOKEN_SIGNS}]", word)]


def _textgrid(path: Path) -> list[str]:
    tiers = [tier for tier in read_textgrid(path) if not tier.points]
    named = [tier for tier in tiers if re.split(r"[\s_.:-]", tier.name.lower())[-1] in TIERS]
    rows = sorted((row for tier in named or tiers for row in tier.rows), key=lambda row: row.start)
    return [row.label for row in rows if row.label.lower() not in SILENCES]


def _annotation(path: Path) -> list[str]:
    try:
        annotation = host.FileHandler().load(path)
    except Exception as error:
        raise unreadable(path, "an annotation", error) from error
    if not isinstance(annotation, host.FreeAnnotation):
        raise RequestError(f"{path} is no free annotation; the labels of a free one are read as text")
    return _texts(host.segments_of(annotation, str(path)))


def _texts(segments: Sequence[Segment]) -> list[str]:
    return [segment.name for segment in sorted(segments, key=lambda segment: segment.start_ms)]
