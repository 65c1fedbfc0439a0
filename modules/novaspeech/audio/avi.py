"""AVI has no timestamps: where its sound pauses it has empty chunks, which ffmpeg leaves out without counting them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

LISTS = (b"RIFF", b"LIST")
ENTERED = (b"AVI ", b"AVIX", b"movi", b"rec ")


def pauses(path: Path, stream: int) -> list[tuple[int, int]]:
    """Where the sound of stream number `stream` pauses.

    Returns:
        pairs of how many chunks of sound come before a pause, and how many empty chunks there are up to its end.
    """
    sound = empty = 0
    found: list[tuple[int, int]] = []
    with path.open("rb") as file:
        for size in _sizes(file, b"%02dwb" % stream):
            if size:
                sound += 1
                continue
            empty += 1
            if found and found[-1][0] == sound:
                found.pop()
            found.append((sound, empty))
    return found


def _sizes(file: IO[bytes], wanted: bytes) -> Iterator[int]:
    """Bytes in each chunk called `wanted`, up to the file's end or to what is no chunk."""
    while len(head := file.read(8)) == 8 and head[:4].isascii():
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        if kind in LISTS and file.read(4) in ENTERED:
            continue  # its chunks follow
        if kind in LISTS:
            size -= 4
        if kind == wanted:
            yield size
        file.seek(size + size % 2, 1)
