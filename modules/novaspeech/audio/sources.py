"""Where a recording's samples come from: a file by libsndfile, an array of the host, parts of another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from novaspeech.arrays import FloatArray
from novaspeech.audio import mp3
from novaspeech.audio.damage import check_rate
from novaspeech.audio.header import UNKNOWN_SIZE, samples_stated
from novaspeech.errors import RecordingError, shortened

BLOCK_SECONDS = 5
PLAIN = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")  # begins of how libsndfile calls what is not compressed
UNKNOWN_FRAMES = 2**63 - 1  # what libsndfile says of a FLAC from a pipe


class Source(Protocol):
    """Where samples come from."""

    @property
    def rate(self) -> int:
        """Samples per second, in Hz."""

    @property
    def samples(self) -> int:
        """Samples per channel."""

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32."""


class SoundfileSource:
    """A file that libsndfile reads.

    Raises:
        soundfile.LibsndfileError: it does not.
        ValueError: it does, but not exactly: MP3, OGG, FLAC of unknown length.
        RecordingError: the file holds less than its header promises, or the header contradicts itself.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if mp3.begins(path):  # not opened: its reader of these writes remarks of its own onto the terminal
            raise ValueError("it only guesses the length")
        with soundfile.SoundFile(path) as file:
            if file.format == "MP3" or "MPEG" in file.subtype or file.frames == UNKNOWN_FRAMES:
                raise ValueError("it only guesses the length")
            if file.format == "OGG":
                # It leaves out pages whose checksum is wrong: what follows moves, and the length may stay.
                raise ValueError("it does not keep the place of what follows a lost page")
            if file.format == "RAW" and file.subtype == "ULAW":
                raise ValueError("it has no header, and a name in .au or .snd alone tells neither rate nor encoding")
            self.rate: int = file.samplerate
            self.samples: int = file.frames
            check_rate(path, self.rate)
            self._check_size(file.extra_info)
            self.samples = samples_stated(path, file.format, file.frames, file.subtype.startswith(PLAIN))

    def _check_size(self, header: str) -> None:
        """Refuses a WAV, AIFF, AU or W64 that holds less than its header promises, of which libsndfile takes a note."""
        size = re.search(r"^ *(?:data|SSND|Data Size|riff) *: (\d+) \(should be (\d+)\)", header, re.MULTILINE)
        align = re.search(r"Block Align +: (\d+)", header)
        if size and int(size[2]) < int(size[1]) < UNKNOWN_SIZE:
            frame_bytes = int(align[1]) if align else max(1, int(size[2]) / max(1, self.samples))
            promised = int(size[1]) / frame_bytes / self.rate
            raise RecordingError(
                f"{self._path} is truncated: its header promises {promised:.3f} s, the file holds "
                f"{self.samples / self.rate:.3f} s; copy it again, or accept what is there with: "
                f"ffmpeg -i {self._path.name} repaired.wav"
            )

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32, `samples` in all.

        Raises:
            RecordingError: the file is damaged, or holds less than it did when it was opened.
        """
        left = self.samples
        try:
            with soundfile.SoundFile(self._path) as file:
                size = self.rate * BLOCK_SECONDS
                while left and len(block := file.read(min(size, left), dtype="float32", always_2d=True)):
                    left -= len(block)
                    yield block
        except (soundfile.LibsndfileError, OSError) as error:
            detail = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
            raise RecordingError(f"{self._path} is damaged: {shortened(detail)}; copy it again") from error
        # libsndfile is exact about the length of what it reads here, so that not one sample may be missing.
        if left:
            raise RecordingError(
                f"{self._path} is damaged, or was changed while it was read: of {self.samples / self.rate:.3f} s "
                f"{left / self.rate:.3f} s are missing, and what follows the gap has moved; copy it again"
            )


@dataclass
class ArraySource:
    """Samples that the host already holds: (n, channels) or (n,), any float or integer type."""

    samples_array: npt.NDArray[Any]
    rate: int

    @property
    def samples(self) -> int:
        """Samples per channel."""
        return len(self.samples_array)

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32."""
        size = self.rate * BLOCK_SECONDS
        for start in range(0, len(self.samples_array), size):
            block = self.samples_array[start : start + size]
            full_scale = np.iinfo(block.dtype).max + 1 if np.issubdtype(block.dtype, np.integer) else 1
            yield np.asarray(block, np.float32).reshape(len(block), -1) / np.float32(full_scale)


@dataclass
class ExcerptSource:
    """Parts of another source, one after the other.

    Attributes:
        source: the other one.
        spans: samples [start, end) of each part, in the order of time, without overlap.
    """

    source: Source
    spans: Sequence[tuple[int, int]]

    @property
    def rate(self) -> int:
        """Sampling rate in Hz."""
        return self.source.rate

    @property
    def samples(self) -> int:
        """Samples per channel."""
        return sum(end - start for start, end in self.spans)

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32."""
        begin = 0
        for block in self.source.blocks():
            for start, end in self.spans:
                part = block[max(0, start - begin) : max(0, end - begin)]
                if len(part):
                    yield part
            begin += len(block)
            if begin >= self.spans[-1][1]:
                break
