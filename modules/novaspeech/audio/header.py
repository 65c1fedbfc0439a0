"""The header of a file that libsndfile reads, which believes its numbers even where they contradict each other."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO

from novaspeech.audio import flac
from novaspeech.audio.chunks import CAF, FORM, RIFF, W64, Layout
from novaspeech.audio.damage import damaged

# Recorders that write to a pipe cannot know the length and put a number near 2^31 or 2^32 in the header instead.
UNKNOWN_SIZE = 0x7FFF_0000
AU_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # encoding → bytes of a sample
CAF_FLAGS = 3  # the largest: float and little-endian


class _FaultError(Exception):
    """What a header states and what contradicts it."""


def samples_stated(path: Path, kind: str, samples: int, plain: bool) -> int:
    """How many samples per channel a file has by its header; as libsndfile has it if that does not tell.

    Args:
        path: of the file.
        kind: of file, as libsndfile calls it.
        samples: per channel that libsndfile finds.
        plain: whether they are not compressed.

    Raises:
        RecordingError: the header contradicts itself or the file.
    """
    read = READERS.get(kind)
    if read is None or not (plain or kind == "FLAC"):
        return samples
    with path.open("rb") as file:
        try:
            return read(file, path.stat().st_size, samples)
        except _FaultError as fault:
            raise damaged(path, f"its header states {fault}") from None
        except (struct.error, LookupError, ZeroDivisionError):  # not where it usually is, or 0
            return samples


def _wav(file: IO[bytes], end: int, samples: int) -> int:
    return _same(_waves(file, end, samples, RIFF), samples)


def _waves(file: IO[bytes], end: int, samples: int, layout: Layout) -> int:
    """Of a WAV or W64."""
    file.seek(layout.name)
    stated_end = int.from_bytes(file.read(layout.size), "little") + (0 if layout.whole else layout.head)
    chunks = layout.chunks(file, end)
    file.seek(chunks[b"fmt "][0])
    fields: tuple[int, ...] = struct.unpack("<HHIIHH", file.read(16))
    _, channels, rate, bytes_per_second, align, bits = fields
    if rate * align != bytes_per_second:
        raise _FaultError(f"{rate} samples of {align} bytes per second, but {bytes_per_second} bytes per second")
    if align not in (channels * -(-bits // 8), channels * 4 if bits in (20, 24) else 0):
        raise _FaultError(f"{channels} channels of {bits} bits, but {align} bytes for all of them")
    begin, after = chunks[b"data"]
    if after - begin >= UNKNOWN_SIZE:
        return samples
    _check_rest(layout.surplus(file, after, min(end, stated_end)), after - begin)
    return (after - begin) // align


def _w64(file: IO[bytes], end: int, samples: int) -> int:
    return min(samples, _waves(file, end, samples, W64))  # libsndfile reads on to the end of the file


def _aiff(file: IO[bytes], end: int, samples: int) -> int:
    file.seek(FORM.chunks(file, end)[b"COMM"][0])
    stated: int = struct.unpack(">HIH", file.read(8))[1]
    return _same(stated or samples, samples)


def _au(file: IO[bytes], end: int, samples: int) -> int:
    file.seek(0)
    order = ">" if file.read(4) == b".snd" else "<"
    begin, size, encoding, _, channels = struct.unpack(f"{order}5I", file.read(20))
    if size >= UNKNOWN_SIZE:
        return samples
    if begin < file.tell() or begin + size > end:
        raise _FaultError(f"{size} bytes of sound from byte {begin} on, and the file has {end} bytes in all")
    _check_rest(end - begin - size, size)
    if size % (channels * AU_WIDTHS[encoding]):
        raise _FaultError(f"{channels} channels of {AU_WIDTHS[encoding]} bytes, but {size} bytes of sound")
    return samples


def _caf(file: IO[bytes], end: int, samples: int) -> int:
    chunks = CAF.chunks(file, end)
    file.seek(chunks[b"desc"][0] + 12)
    flags, frame, _, channels, bits = struct.unpack(">5I", file.read(20))
    begin, after = chunks[b"data"]
    if flags > CAF_FLAGS or frame % channels or frame * 8 < channels * bits:
        raise _FaultError(
            f"{channels} channels of {bits} bits, but {frame} bytes for all of them, and flags {flags:#x}"
        )
    if after >= 2**63:
        return samples
    _check_rest(CAF.surplus(file, after, end), after - begin)
    return _same((after - begin - 4) // frame, samples)


def _flac(file: IO[bytes], end: int, samples: int) -> int:
    stated, framed = flac.streams(file, end)
    if stated != framed:
        raise _FaultError(f"{stated}, but its frames {framed}")
    return samples


def _same(stated: int, samples: int) -> int:
    if stated != samples:
        raise _FaultError(f"{stated} samples, but its sound has {samples}")
    return samples


def _check_rest(rest: int, size: int) -> None:
    """Refuses `rest` bytes after the `size` bytes of sound: is that size too small?"""
    if rest > 0:
        raise _FaultError(f"{size} bytes of sound, but {rest} bytes follow that are nothing else")


READERS: dict[str, Callable[[IO[bytes], int, int], int]] = {
    **dict.fromkeys(("WAV", "WAVEX", "RF64"), _wav),
    "W64": _w64,
    "AIFF": _aiff,
    "AU": _au,
    "CAF": _caf,
    "FLAC": _flac,
}
