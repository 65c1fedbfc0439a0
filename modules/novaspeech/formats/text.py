"""Text files of other programs, and what is said of files that cannot be read."""

from __future__ import annotations

import re
from pathlib import Path

from novaspeech.errors import RequestError, first_line


def text_of(file: Path) -> str:
    """Content of a text file in UTF-8, UTF-16 with a byte order mark, or else Windows-1252; RequestError for others."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RequestError(f"{file} cannot be read: {first_line(error)}") from error
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        # \x15 stands around times in CHAT.
        if not re.search(r"[\x00-\x08\x0e-\x14\x16-\x1a]", text):
            return text
    raise RequestError(f"{file} is no text; save it as text in UTF-8")


def unreadable(file: Path, kind: str, error: object, remedy: str = "make it again, or move it away") -> RequestError:
    """The error for a file that is not of the kind that its ending says, or is damaged."""
    why = first_line(error) if isinstance(error, BaseException) else error
    return RequestError(f"{file} cannot be read as {kind} ({why}); {remedy}")
