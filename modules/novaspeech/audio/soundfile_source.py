"""A file that libsndfile reads exactly: WAV, FLAC, AIFF, W64, CAF and AU."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import soundfile

from novaspeech.arrays import FloatArray
from novaspeech.audio.signal import BLOCK_SECONDS
from novaspeech.errors import RecordingError, shortened

_EXACT = {"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF", "AU", "CAF"}
# First bytes of these formats. libsndfile sees no other files: its MP3 reader writes remarks to the terminal.
_BEGINS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"FORM", b".snd", b"dns.", b"caff")
_UNKNOWN_SIZE = 0x7FFF_0000  # bytes; a recorder that writes to a pipe states some number near 2^31 or 2^32
_UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's number of frames for a FLAC that was written to a pipe


class SoundfileSource:
    """A file that libsndfile reads.

    Attributes:
        rate: samples per second, in Hz.
        channels: number of channels.
        samples: samples per channel.

    Raises:
        soundfile.LibsndfileError: libsndfile cannot read the file.
        ValueError: libsndfile does not read this format exactly.
        RecordingError: the file holds less than its header promises.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            if not file.read(4).startswith(_BEGINS):
                raise ValueError("another kind of file")
        with soundfile.SoundFile(path) as file:
            if file.format not in _EXACT or "MPEG" in file.subtype or file.frames == _UNKNOWN_FRAMES:
                raise ValueError("it only guesses the length")
            if file.subtype == "GSM610":
                raise ValueError("it takes the byte that fills up the data for a block more")
            if file.format == "W64" and "IEEE float" in file.extra_info and file.subtype.startswith("PCM"):
                raise ValueError("it takes floats for whole numbers")
            self.rate: int = file.samplerate
            self.channels: int = file.channels
            self.samples: int = file.frames
            self._check_size(file.extra_info)

    def _check_size(self, header: str) -> None:
        """Refuses a file shorter than its header promises, as libsndfile notes: the recorder crashed."""
        size = re.search(r"^ *(?:data|SSND|Data Size|riff) *: (\d+) \(should be (\d+)\)", header, re.MULTILINE)
        align = re.search(r"Block Align +: (\d+)", header)
        if size and int(size[2]) < int(size[1]) < _UNKNOWN_SIZE:
            frame_bytes = int(align[1]) if align else max(1, int(size[2]) / max(1, self.samples))
            promised = int(size[1]) / frame_bytes / self.rate
            raise RecordingError(
                f"{self._path} is truncated: its header promises {promised:.3f} s, the file holds "
                f"{self.samples / self.rate:.3f} s; copy it again, or accept what is there with: "
                f"ffmpeg -i {self._path.name} repaired.wav"
            )

    @property
    def seconds(self) -> float:
        """Stated length."""
        return self.samples / self.rate

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32, `samples` in all.

        Raises:
            RecordingError: the file is damaged.
        """
        left, size = self.samples, self.rate * BLOCK_SECONDS
        try:
            with soundfile.SoundFile(self._path) as file:
                while left and len(block := file.read(min(size, left), dtype="float32", always_2d=True)):
                    left -= len(block)
                    yield block
        except (soundfile.LibsndfileError, OSError) as error:
            detail = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
            raise RecordingError(f"{self._path} is damaged: {shortened(detail)}; copy it again") from error
        if left:
            raise RecordingError(
                f"{self._path} is damaged: it states {self.samples / self.rate:.3f} s, and only "
                f"{(self.samples - left) / self.rate:.3f} s of it could be read; copy it again"
            )
