"""The begin of an MP3: its tags, one of which states how much its encoder put before the sound, and first frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SEARCHED_BYTES = 1 << 20  # pictures may come before the first frame
NAMES = (b"Info\0\0\0", b"Xing\0\0\0")  # with the upper bytes of the tag's flags
SAME_BYTES = 5  # of a name make one that is damaged
HAS_FRAMES = 1  # flag of a tag that states how many frames there are
ENCODER_AT = 120  # bytes after the begin of the tag
ENCODERS = (b"LAME", b"Lavc", b"Lavf")
SIDE_INFORMATION = (9, 17, 32)  # bytes of the frame between its header and the tag
RATES = (44100, 48000, 32000)
HALVINGS = {0b11: 0, 0b10: 1, 0b00: 2}  # version of MPEG → how often its rates are half of those
KILOBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # of the codes from 1
KILOBITS_HALVED = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


def tag_is_damaged(path: Path, rate: int, used: bool) -> bool:
    """Whether the file has the tag, but it was not `used`, or in no frame of this `rate` in Hz that another follows."""
    with path.open("rb") as file:
        content = file.read(SEARCHED_BYTES)
    tags = _tags(content)
    frames = [tag - size - 4 for tag in tags for size in SIDE_INFORMATION]
    return bool(tags) and not (used and any(_is_followed(content, frame, rate) for frame in frames))


def before_frames(path: Path, rate: int) -> int:
    """Bytes that are neither a tag nor a frame of this `rate` in Hz, before the first of those; 0 if there is none."""
    with path.open("rb") as file:
        file.seek(id3_bytes(path))
        content = file.read(SEARCHED_BYTES)
    if content.startswith(b"APETAGEX"):
        return 0
    place = content.find(b"\xff")
    while place >= 0 and not _is_followed(content, place, rate):
        place = content.find(b"\xff", place + 1)
    return max(place, 0)


def id3_bytes(path: Path) -> int:
    """Bytes of the ID3 tag with which a file begins."""
    with path.open("rb") as file:
        head = file.read(10)
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    return 10 + sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(head[6:])))


def begins(path: Path) -> bool:
    """Whether a file begins as an MP3 does: with a tag that no FLAC follows, or with a frame of layer III."""
    with path.open("rb") as file:
        head = file.read(3)
        if head == b"ID3":
            file.seek(id3_bytes(path))
            return file.read(4) != b"fLaC"
    return len(head) == 3 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2


def _tags(content: bytes) -> list[int]:
    """Where there is such a tag, even if some of its bytes are wrong."""
    found = []
    values, length = np.frombuffer(content, np.uint8), len(NAMES[0])
    for name in NAMES:
        same = sum((values[at : len(values) - length + at] == byte).astype(np.int8) for at, byte in enumerate(name))
        found += np.flatnonzero(np.asarray(same) >= SAME_BYTES).tolist()
    return [
        tag
        for tag in found
        if content[tag + ENCODER_AT :].startswith(ENCODERS)
        or (content[tag + 7] & HAS_FRAMES and any(content[tag + 8 : tag + 12]))
    ]


def _is_followed(content: bytes, place: int, rate: int) -> bool:
    """Whether a frame of this `rate` begins at `place`, and another after it."""
    length = _length(content[place : place + 4], rate) if place >= 0 else 0
    return bool(length and _length(content[place + length : place + length + 4], rate))


def _length(header: bytes, rate: int) -> int:
    """Bytes of the frame with this header (4 bytes); 0 if it is none of this `rate` in Hz."""
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE0:
        return 0
    halvings, number, code = HALVINGS.get(header[1] >> 3 & 3), header[2] >> 2 & 3, header[2] >> 4
    if halvings is None or number >= len(RATES) or RATES[number] >> halvings != rate or not 0 < code < 15:
        return 0
    kilobits, samples = (KILOBITS_HALVED, 72) if halvings else (KILOBITS, 144)
    return samples * 1000 * kilobits[code - 1] // rate + (header[2] >> 1 & 1)
