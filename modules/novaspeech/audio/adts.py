"""The frames of a bare AAC (ADTS), one behind the other: ffmpeg goes on after a gap as if there were none."""

from __future__ import annotations

import mmap
from pathlib import Path

HEAD_BYTES = 7
TAGS = (b"TAG", b"ID3", b"APETAGEX")  # what may stand behind the last frame


def whole_frames(path: Path, begin: int) -> tuple[int, bool]:
    """How many frames follow each other from byte `begin` on, and whether that is all that there is."""
    place, count = begin, 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        while place + HEAD_BYTES <= len(content) and content[place] == 0xFF and content[place + 1] & 0xF6 == 0xF0:
            length = int.from_bytes(content[place + 3 : place + 6], "big") >> 5 & 0x1FFF
            if length < HEAD_BYTES:
                break
            place += length
            count += 1
        return count, place >= len(content) or content[place : place + 8].startswith(TAGS)
