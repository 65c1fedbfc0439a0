"""When an OGG file says that its sound ends, whatever became of its last page."""

from __future__ import annotations

from pathlib import Path

PAGE_BYTES = 65_307  # of the longest page
NO_PACKET = 2**64 - 1  # the time of a page on which no packet ends


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
