"""The chunks of an AVI, which has no timestamps: a chunk that is lost or empty moves what follows, unless counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

LISTS = (b"RIFF", b"LIST")
ENTERED = (b"AVI ", b"AVIX", b"movi", b"rec ")
BROKEN = b""


@dataclass(frozen=True)
class Chunks:
    """What an AVI holds of one track of sound.

    Attributes:
        pauses: pairs of how many chunks of sound come before a pause, and how many empty chunks there are up to its
            end: ffmpeg leaves those out without counting them.
        found: chunks in all, empty ones, too.
        indexed: chunks that the file's index lists; 0 without one.
        breaks_at: byte at which a chunk should be and none is; None if all are there.
    """

    pauses: list[tuple[int, int]]
    found: int
    indexed: int
    breaks_at: int | None


def chunks(path: Path, stream: int) -> Chunks:
    """The chunks of stream number `stream`."""
    sound = empty = listed = within = 0
    breaks_at = None
    pauses: list[tuple[int, int]] = []
    wanted = b"%02dwb" % stream
    with path.open("rb") as file:
        for kind, size in _walk(file, path.stat().st_size):
            if kind == BROKEN:
                breaks_at = size
            elif kind == b"idx1":
                words = np.frombuffer(file.read(size - size % 16), "S4")  # name, flags, place and size of each chunk
                listed = int((words[::4] == wanted).sum())
            elif kind == b"ix%02d" % stream:  # a part of the index of an AVI of more than 1 GB
                within += int.from_bytes(file.read(8)[4:], "little")
            elif kind == wanted and size:
                sound += 1
            elif kind == wanted:
                empty += 1
                if pauses and pauses[-1][0] == sound:
                    pauses.pop()
                pauses.append((sound, empty))
    return Chunks(pauses, sound + empty, max(listed, within), breaks_at)


def _walk(file: IO[bytes], end: int) -> Iterator[tuple[bytes, int]]:
    """Name and bytes of each chunk, the file at its content. BROKEN is where a chunk should be and none is."""
    place = after = odd = 0
    while place < end:
        file.seek(place)
        kind, size, form = file.read(4), int.from_bytes(file.read(4), "little"), file.read(4)
        if kind in LISTS and form in ENTERED:
            after = place + 8 + size if form == b"movi" else after
            place += 12
        elif re.fullmatch(rb"[ -~]{4}", kind) and place + 8 + size <= end:
            file.seek(place + 8)
            yield kind, size
            odd = size % 2
            place += 8 + size + odd
        elif odd:  # some writers forget that chunks begin at even bytes
            place, odd = place - 1, 0
        else:
            if place + 8 <= after:
                yield BROKEN, place
            return
