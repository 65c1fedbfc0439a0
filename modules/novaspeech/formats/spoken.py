"""What was said, as other programs write it: CHAT's transcripts, whisper's JSON, and Word's documents."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from novaspeech.formats.text import text_of, unreadable
from novaspeech.formats.tiers import Labelled, Tier

_TIMES = re.compile(r"\x15(\d+)_(\d+)\x15")
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def read_chat(file: Path) -> list[Tier]:
    """The utterances of a CHAT transcript, `.cha`, each a tier of its speaker; RequestError if it cannot be read.

    Labels keep CHAT's codes. An utterance without times stands at the end of the one before it.
    """
    text = re.sub(r"\r?\n[ \t]+", " ", text_of(file))  # long lines go on behind a tab
    if "@Begin" not in text:
        raise unreadable(file, "CHAT", "it has no line @Begin")
    found, end = list[Tier](), 0.0
    for speaker, said in re.findall(r"(?m)^\*([^:\n]+):[ \t]*(.*)$", text):
        times = [(int(one) / 1000, int(two) / 1000) for one, two in _TIMES.findall(said)]
        start, end = (times[0][0], times[-1][1]) if times else (end, end)
        found.append(Tier("", [Labelled(start, end, _TIMES.sub("", said).strip())], speaker))
    return found


def read_whisper(file: Path) -> list[Tier]:
    """The segments of whisper's or whisperX's JSON, each a tier of its speaker; RequestError if it cannot be read."""
    try:
        return [
            Tier(
                "", [Labelled(float(one["start"]), float(one["end"]), str(one["text"]).strip())], one.get("speaker", "")
            )
            for one in json.loads(text_of(file))["segments"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise unreadable(file, "whisper's JSON, segments with start, end and text", error) from error


def text_of_docx(file: Path) -> str:
    """The text of a Word document, a line for each paragraph; RequestError if it cannot be read."""
    signs = {f"{_WORD}tab": "\t", f"{_WORD}br": "\n"}
    try:
        with zipfile.ZipFile(file) as parts:
            root = ElementTree.fromstring(parts.read("word/document.xml"))  # noqa: S314
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, OSError) as error:
        raise unreadable(file, "a Word document", error) from error
    return "\n".join(
        "".join((one.text or "") if one.tag == f"{_WORD}t" else signs.get(one.tag, "") for one in paragraph.iter())
        for paragraph in root.iter(f"{_WORD}p")
    )
