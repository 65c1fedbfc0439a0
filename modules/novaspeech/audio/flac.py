"""The first and last frame of a FLAC, which repeat what its header states of shape and length."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import IO

RATES = (88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)  # of the codes from 1
CHANNELS = (1, 2, 3, 4, 5, 6, 7, 8, 2, 2, 2)  # of the codes from 0: the last are stereo in other ways
BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}
BLOCKS = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}
HEAD_BYTES = 16  # of the longest header of a frame
FRAME_BYTES = 1 << 17  # of the longest frame, if the file does not say


@dataclass(frozen=True)
class Stream:
    """What the header states, or frames do.

    Attributes:
        rate: in Hz.
        channels, bits: of a sample.
        samples: per channel; 0 if that is not known.
    """

    rate: int
    channels: int
    bits: int
    samples: int

    def __str__(self) -> str:
        return f"{self.samples} samples of {self.channels} × {self.bits} bits at {self.rate} Hz"


def streams(file: IO[bytes], end: int) -> tuple[Stream, Stream]:
    """What the header of a FLAC of `end` bytes states, and what its first and last frame do.

    Raises:
        IndexError, KeyError: it is built in another way.
    """
    stated, longest = _header(file)
    begin = file.tell()
    head = file.read(HEAD_BYTES)
    first = _Frame(head)
    if not first.whole:
        raise KeyError("first frame")
    file.seek(max(begin, end - (longest or FRAME_BYTES)))
    last = _last(file.read(), head[:2])
    samples = last.begin(first.block) + last.block if last else stated.samples
    rate, bits = first.rate or stated.rate, first.bits or stated.bits
    return stated, Stream(rate, first.channels, bits, samples if stated.samples else 0)


def _header(file: IO[bytes]) -> tuple[Stream, int]:
    """What it states, and bytes of the longest frame, or 0; `file` is at the first frame then."""
    file.seek(0)
    if file.read(4) != b"fLaC":
        raise KeyError("fLaC")
    blocks: dict[int, bytes] = {}
    last = False
    while not last:
        head = file.read(4)
        last = head[0] > 127
        blocks.setdefault(head[0] & 127, file.read(int.from_bytes(head[1:], "big")))
    # 20 bits of rate, 3 of channels, 5 of bits, 36 of samples.
    numbers = int.from_bytes(blocks[0][10:18], "big")
    stream = Stream(numbers >> 44, (numbers >> 41 & 7) + 1, (numbers >> 36 & 31) + 1, numbers & (1 << 36) - 1)
    return stream, int.from_bytes(blocks[0][7:10], "big")


class _Frame:
    """A frame's header.

    Attributes:
        rate, bits: 0 if it leaves them to the file's header.
        block: samples in it.
        whole: whether its checksum is right.

    Raises:
        IndexError, KeyError: it is none.
    """

    def __init__(self, head: bytes) -> None:
        self._variable = head[1] & 1
        length = max(1, 8 - (head[4] ^ 0xFF).bit_length())  # bytes of its number, coded as UTF-8 does
        self._number = head[4] & (0x7F >> length if length > 1 else 0x7F)
        for byte in head[5 : 4 + length]:
            self._number = self._number << 6 | byte & 63
        place = 4 + length
        code, rate = head[2] >> 4, head[2] & 15
        more = {6: 1, 7: 2}.get(code, 0)
        self.block = int.from_bytes(head[place : place + more], "big") + 1 if more else BLOCKS[code]
        place += more
        more = {12: 1, 13: 2, 14: 2}.get(rate, 0)
        own = int.from_bytes(head[place : place + more], "big") * {12: 1000, 14: 10}.get(rate, 1)
        self.rate = own if more else (0, *RATES)[rate]
        self.channels = CHANNELS[head[3] >> 4]
        self.bits = BITS.get(head[3] >> 1 & 7, 0)
        self.whole = head[0] == 0xFF and _crc(head[: place + more], CRC_8) == head[place + more]

    def begin(self, block: int) -> int:
        """Samples before it, in a file of which each frame but the last has `block` samples."""
        return self._number if self._variable else self._number * block


def _last(tail: bytes, sync: bytes) -> _Frame | None:
    """The last frame, if it is whole and reaches to the end of a file's `tail`; `sync`: how each begins."""
    place = tail.rfind(sync)
    while place >= 0:
        with suppress(IndexError, KeyError):
            frame = _Frame(tail[place:])
            if frame.whole and _crc(tail[place:-2], CRC_16) == int.from_bytes(tail[-2:], "big"):
                return frame
        place = tail.rfind(sync, 0, place)
    return None


def _table(polynomial: int, bits: int) -> list[int]:
    """Checksum of each byte."""
    found = []
    for byte in range(256):
        rest = byte << bits - 8
        for _ in range(8):
            rest = (rest << 1 ^ (polynomial if rest >> bits - 1 else 0)) & (1 << bits) - 1
        found.append(rest)
    return found


CRC_8, CRC_16 = (8, _table(0x07, 8)), (16, _table(0x8005, 16))


def _crc(content: bytes, kind: tuple[int, list[int]]) -> int:
    """Checksum of `content`."""
    bits, table = kind
    found = 0
    for byte in content:
        found = found << 8 & (1 << bits) - 1 ^ table[found >> bits - 8 ^ byte]
    return found
