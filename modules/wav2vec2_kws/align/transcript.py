"""Transcripts: text, subtitles, Praat's TextGrids and free annotations → words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from novaspeech.errors import RequestError
from novaspeech.formats.annotated import Annotated, segments_in
from novaspeech.formats.subtitles import read_subtitles
from novaspeech.formats.text import text_of, unreadable
from novaspeech.segments import Segment
from novaspeech.server import host
from wav2vec2_kws.align.said_tiers import said_tiers

# Aligners write these where nobody speaks.
SILENCES = frozenset({"sil", "sp", "spn", "<sil>", "<p:>", "<p>", "<eps>"})

SPOKEN_SIGNS = "&@%#§+=€$£"  # signs that are read aloud, unlike other punctuation


def read_transcript(path: Path, tier: str = "") -> list[str]:
    """The words of a transcript, as it writes them, in the order of time.

    - `.txt`: all of its text.
    - `.srt`, `.vtt`: the text of the subtitles, without markup.
    - `.TextGrid`: the labels of the interval tiers that hold what was said (`said_tiers`), one for each speaker, merged
      by the times at which intervals start.
    - `.annotation`: the labels of a free annotation of NOVA or DISCOVER.

    Text is UTF-8, UTF-16 with a byte order mark, or else Windows-1252.

    Args:
        tier: names of the tiers to read, with commas between.

    Raises:
        RequestError: the file is missing, of another kind or damaged, holds no words, or no tier is clearly of words.
    """
    readers: dict[str, Callable[[Path], Sequence[str]]] = {
        ".txt": lambda file: [text_of(file)],
        ".srt": lambda file: [row.label for row in read_subtitles(file)],
        ".vtt": lambda file: [row.label for row in read_subtitles(file)],
        ".textgrid": lambda file: _of_tiers(file, tier),
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


def _of_tiers(path: Path, tier: str) -> list[str]:
    tiers: dict[str, list[Annotated]] = {}
    for row in segments_in(path):
        if row.label.strip().lower() not in SILENCES:
            tiers.setdefault(row.tier, []).append(row)
    names = said_tiers(path, tiers, tier) if tiers else ()
    return [row.label for row in sorted((row for name in names for row in tiers[name]), key=lambda row: row.start)]


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
