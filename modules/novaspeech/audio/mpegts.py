"""The packets of an MPEG transport stream, all of one size, each with the same first byte."""

from __future__ import annotations

from pathlib import Path

SYNC = 0x47
SIZES = (188, 192, 204)  # alone, with a timestamp before it, with a checksum after it


def starts_whole(path: Path) -> bool:
    """Whether packets begin within the first of them: a recorder may begin within one."""
    with path.open("rb") as file:
        head = file.read(4 * max(SIZES))
    return any(
        all(place >= len(head) or head[place] == SYNC for place in range(begin, begin + 3 * size, size))
        for size in SIZES
        for begin in range(size)
    )
