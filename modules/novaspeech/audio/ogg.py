"""Pages of an OGG file: when its sound ends, whatever became of its last page, and whether its first one is there."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

PAGE_BYTES = 65_307  # of the longest page
NO_PACKET = 2**64 - 1  # the time of a page on which no packet ends
CODECS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ", b"fLaC")  # first bytes of a track of sound
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def last_time(path: Path) -> int | None:
    """Time of the last page that has one, in samples (of Opus: at 48 kHz); None if there is no page."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * PAGE_BYTES))
        tail = file.read()
    place = tail.rfind(b"OggS")
    while place >= 0:
        time = int.from_bytes(tail[place + 6 : place + 14], "little")
        if len(tail) >= place + 14 and time != NO_PACKET:
            return time
        place = tail.rfind(b"OggS", 0, place)
    return None


def starts_whole(path: Path) -> bool:
    """Whether all pages of its first track of sound are there and intact, up to the first with a time.

    ffmpeg leaves out a damaged page. What follows the first one would then be taken for the start.
    """
    serial, number = b"", 0
    for page in _pages(path):
        if not serial and page[27 + page[26] :].startswith(CODECS):
            serial = page[14:18]
        if not serial or page[14:18] != serial:
            continue
        if int.from_bytes(page[18:22], "little") != number or not _is_intact(page):
            return False
        number += 1
        if int.from_bytes(page[6:14], "little") not in (0, NO_PACKET):
            return True
    return False


def _pages(path: Path) -> Iterator[bytes]:
    """Each page from the first on, as far as they follow each other."""
    with path.open("rb") as file:
        file.seek(max(0, file.read(PAGE_BYTES).find(b"OggS")))
        while (head := file.read(27)).startswith(b"OggS") and len(head) == 27:
            sizes = file.read(head[26])
            yield head + sizes + file.read(sum(sizes))


def _is_intact(page: bytes) -> bool:
    """Whether its checksum is right: CRC-32 with the bits in the other order than zlib's."""
    bare = page[:22] + bytes(4) + page[26:]
    found = zlib.crc32(bare.translate(REVERSED), 2**32 - 1) ^ (2**32 - 1)
    return page[22:26].translate(REVERSED) == found.to_bytes(4, "big")
