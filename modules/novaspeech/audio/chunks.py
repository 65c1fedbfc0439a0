"""Files that are divided into chunks, each with a name and a size: WAV, AIFF, W64, CAF."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import IO, Literal


@dataclass(frozen=True)
class Layout:
    """How a kind of file is divided.

    Attributes:
        begin: of the first chunk, in bytes.
        name, size: bytes of a chunk's name and size.
        order: of a size's bytes.
        whole: whether a size includes name and size.
        align: chunks begin at multiples of so many bytes.
    """

    begin: int
    name: int
    size: int
    order: Literal["little", "big"]
    whole: bool
    align: int

    @property
    def head(self) -> int:
        """Bytes of name and size."""
        return self.name + self.size

    def chunks(self, file: IO[bytes], end: int) -> dict[bytes, tuple[int, int]]:
        """Name → where its content begins and ends, of each chunk until `end`, or until something is none."""
        found: dict[bytes, tuple[int, int]] = {}
        place = self.begin
        while chunk := self._chunk(file, place, end):
            name, begin, after = chunk
            found.setdefault(name, (begin, after))
            place = self._aligned(after)
        return found

    def surplus(self, file: IO[bytes], after: int, end: int) -> int:
        """Bytes between `after`, where a chunk ends, and `end`, if they are no chunk; else 0."""
        rest = end - self._aligned(after)
        if rest < self.head:
            return 0
        followers = [self._chunk(file, place, end) for place in (self._aligned(after), after)]  # some forget to align
        return 0 if any(chunk and chunk[2] <= end + self.align for chunk in followers) else rest

    def _chunk(self, file: IO[bytes], place: int, end: int) -> tuple[bytes, int, int] | None:
        """Name, begin and end of the content of the chunk at `place`; None if there is none."""
        if place + self.head > end:
            return None
        file.seek(place)
        name, size = file.read(self.name)[:4], int.from_bytes(file.read(self.size), self.order)
        if not re.fullmatch(rb"[ -~]{4}", name) or size < self.head * self.whole:
            return None
        return name, place + self.head, place + size + self.head * (not self.whole)

    def _aligned(self, place: int) -> int:
        return -(-place // self.align) * self.align


RIFF = Layout(12, 4, 4, "little", whole=False, align=2)
FORM = Layout(12, 4, 4, "big", whole=False, align=2)
W64 = Layout(40, 16, 8, "little", whole=True, align=8)
CAF = Layout(8, 4, 8, "big", whole=False, align=1)
