"""Transcripts: text, subtitles, Praat's TextGrids and free annotations → words."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError, first_line, require
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
        PackageError: a package that reads this kind of file is missing.
    """
    readers: dict[str, Callable[[Path], Sequence[str]]] = {
        ".txt": lambda file: [_text(file)],
        ".srt": _subtitles,
        ".vtt": _subtitles,
        ".textgrid": _textgrid,
        ".annotation": _annotation,
    }
    path = path.expanduser()
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise RequestError(f"transcript {path} must end in .txt, .srt, .vtt, .TextGrid or .annotation")
    if not path.is_file():
        raise RequestError(f"transcript {path} does not exist")
    words = [word for text in reader(path) for word in split_words(text)]
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


def _text(path: Path) -> str:
    data = path.read_bytes()
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not re.search(r"[\x00-\x08\x0e-\x1a]", text):
            return text
    raise RequestError(f"transcript {path} is no text; save it as text in UTF-8")


def _subtitles(path: Path) -> list[str]:
    with require("subtitles need pysubs2", "pysubs2"):
        import pysubs2
    # pysubs2 would take WebVTT's notes and styles, which end with a blank line, and times within a cue for text.
    text = re.sub(r"(?m)^(NOTE|STYLE|REGION)\b.*\n(.+\n?)*", "", _text(path).replace("\r\n", "\n"))
    text = re.sub(r"<\d+:[\d:.]+>", "", text)
    try:
        subtitles = pysubs2.SSAFile.from_string(text, path.suffix.lower()[1:])
    except Exception as error:
        raise _unreadable(path, "subtitles", error) from error
    return [html.unescape(event.plaintext) for event in sorted(subtitles, key=lambda event: event.start)]


def _textgrid(path: Path) -> list[str]:
    with require("TextGrids need praatio", "praatio"):
        from praatio.utilities.textgrid_io import parseTextgridStr  # praatio's openTextgrid refuses tiers of one name
    try:
        tiers: list[dict[str, Any]] = parseTextgridStr(_text(path))["tiers"]
        tiers = [tier for tier in tiers if tier["class"] == "IntervalTier"]
        named = [tier for tier in tiers if re.split(r"[\s_.:-]", tier["name"].strip().lower())[-1] in TIERS]
        entries = [(float(start), label) for tier in named or tiers for start, _, label in tier["entries"]]
    except RequestError:
        raise
    except Exception as error:  # praatio's parser has no errors of its own
        raise _unreadable(path, "a TextGrid", error) from error
    entries.sort(key=lambda entry: entry[0])
    return [label for _, label in entries if label.strip().lower() not in SILENCES]


def _annotation(path: Path) -> list[str]:
    try:
        annotation = host.FileHandler().load(path)
    except Exception as error:
        raise _unreadable(path, "an annotation", error) from error
    if not isinstance(annotation, host.FreeAnnotation):
        raise RequestError(f"transcript {path} is no free annotation; the labels of a free one are read as text")
    return _texts(host.segments_of(annotation, f"transcript {path}"))


def _texts(segments: Sequence[Segment]) -> list[str]:
    return [segment.name for segment in sorted(segments, key=lambda segment: segment.start_ms)]


def _unreadable(path: Path, kind: str, error: Exception) -> RequestError:
    return RequestError(
        f"transcript {path} cannot be read as {kind} ({first_line(error)}); its ending must say what it is"
    )
