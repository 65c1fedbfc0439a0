"""What stands in a transcript and is not said: speakers' labels, notes, and CHAT's codes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from novaspeech.errors import shortened
from novaspeech.formats.annotated import Annotated
from novaspeech.hooks import Log

_LISTED = 10  # notes and speakers that a log line names at most
_LONGEST = 3  # words of a note in parentheses; what is longer was said
_NOTE = re.compile(r"\[[^\]]*\]|\(\([^()]*\)\)|(?<!\w)\([^()]*\)(?!\w)|<(?=[^\s\d])[^<>]*>")
_LABEL = re.compile(r"\s*([^\W\d_][\w.'’-]*(?: [\w.'’-]+){0,2})\s*:(?=\s)")
# Of CHAT (https://talkbank.org/0info/manuals/CHAT.html): what is not said, and marks of what is said.
_CHAT_NOTE = re.compile(r"\[[^\]]*\]|&=\S+|(?<!\S)(?:xxx|yyy|www|0\w+)\b|\([^()]*\)")
_CHAT_MARKS = re.compile(r"[<>]|(?<!\S)\+[^\w\s]\S*|&[-+~]|@[\w:$&]+|(?<=\w):(?=\w)|[↑↓⌈⌉⌊⌋^]")


def without_notes(rows: Sequence[Annotated], log: Log, *, chat: bool = False) -> list[Annotated]:
    """What is said, a row a line: labels such as "ANNA:" are its speaker, notes are left out, and the log says which.

    A label is in capitals, has a digit, or begins two lines. A note is in brackets: "[laughter]", "(coughs)".
    """
    notes = Counter[str]()

    def leave_out(found: re.Match[str]) -> str:
        note = found[0]
        if note[0] == "(" and note[1] != "(" and len(note.split()) > _LONGEST:
            return note
        notes[note] += 1
        return "" if chat and note[0] == "(" else " "  # "(be)cause" is one word

    def cleaned(text: str) -> str:
        return (
            _CHAT_MARKS.sub("", _CHAT_NOTE.sub(leave_out, text)).replace("_", " ")
            if chat
            else _NOTE.sub(leave_out, text)
        )

    lines = [row._replace(label=line) for row in rows for line in cleaned(row.label).splitlines()]
    labels = Counter(found[1] for line in lines if (found := _LABEL.match(line.label)))
    said = [_by_speaker(line, {name for name, count in labels.items() if _is_speaker(name, count)}) for line in lines]
    speakers = list(dict.fromkeys(line.speaker for line in said if line.speaker))
    if speakers:
        log(f"speakers of the transcript: {_listed(speakers)}")
    if notes:
        log(f"notes of the transcript that are left out: {notes.total()} ({_listed([*notes])})")
    return said


def _is_speaker(name: str, count: int) -> bool:
    capitals = all(not word[0].islower() for word in name.split())
    return capitals and (count > 1 or name == name.upper() or any(map(str.isdigit, name)))


def _by_speaker(line: Annotated, speakers: set[str]) -> Annotated:
    found = _LABEL.match(line.label)
    if not found or found[1] not in speakers:
        return line
    return line._replace(speaker=found[1], label=line.label[found.end() :])


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*map(shortened, names[:_LISTED]), *["…"] * (len(names) > _LISTED)])
