"""What an ASF or WMV file states of its packets: ffprobe shortens the duration of a file that is cut off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

HEADER = UUID("75b22630-668e-11cf-a6d9-00aa0062ce6c").bytes_le
PROPERTIES = UUID("8cabdca1-a947-11cf-8ee4-00c00c205365").bytes_le
OBJECT_HEAD = 24  # bytes: GUID and size
DATA_HEAD = 50  # of the object that holds the packets
BROADCAST = 1  # flag of a live recorder, whose numbers are not valid
BEGIN_BYTES = 3  # of a packet: how errors in it are corrected, the same for all
SEARCHED_BYTES = 1 << 20  # of a header that may hold pictures: the properties come before them


@dataclass(frozen=True)
class Packets:
    """The data packets of a file.

    Attributes:
        stated, found: how many the header states, and how many of those fit into the file.
        starts_whole: whether the first begins as the second does.
    """

    stated: int
    found: int
    starts_whole: bool


def packets(path: Path) -> Packets | None:
    """The packets that a file states; None if it states nothing."""
    with path.open("rb") as file:
        head = file.read(30)
        size = int.from_bytes(head[16:24], "little")
        if not head.startswith(HEADER) or size > path.stat().st_size:
            return None
        objects = file.read(min(size, SEARCHED_BYTES))
        place = objects.find(PROPERTIES) + OBJECT_HEAD
        stated, flags, packet_bytes = (
            int.from_bytes(objects[place + at : place + at + length], "little")
            for at, length in ((32, 8), (64, 4), (68, 4))
        )
        if place < OBJECT_HEAD or flags & BROADCAST or not packet_bytes:
            return None
        found = min(stated, max(0, path.stat().st_size - size - DATA_HEAD) // packet_bytes)
        begins = []
        for number in range(min(found, 2)):
            file.seek(size + DATA_HEAD + number * packet_bytes)
            begins.append(file.read(BEGIN_BYTES))
    return Packets(stated, found, len(set(begins)) < 2)
