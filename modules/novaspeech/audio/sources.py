"""Where a recording's samples come from: a file by libsndfile, a file by ffmpeg, an array of the host."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from novaspeech.arrays import FloatArray
from novaspeech.errors import RecordingError

BLOCK_SECONDS = 5
# Recorders that write to a pipe cannot know the length and put a number near 2^31 or 2^32 in the header instead.
UNKNOWN_SIZE = 0x7FFF_0000
UNKNOWN_FRAMES = 2**63 - 1  # what libsndfile says of a FLAC from a pipe
SHORT_BY_SECONDS = 0.1


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
        ValueError: it only guesses the length, as that of an MP3.
        RecordingError: the file holds less than its header promises.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with soundfile.SoundFile(path) as file:
            if file.format == "MP3" or file.frames == UNKNOWN_FRAMES:
                raise ValueError("libsndfile only guesses its length")
            self.rate: int = file.samplerate
            self.samples: int = file.frames
            self._check_size(file.extra_info)

    def _check_size(self, header: str) -> None:
        """Refuses a WAV that holds less than its header promises."""
        size = re.search(r"^data : (\d+) \(should be (\d+)\)", header, re.MULTILINE)
        align = re.search(r"Block Align +: (\d+)", header)
        if size and align and int(size[2]) < int(size[1]) < UNKNOWN_SIZE:
            promised = int(size[1]) / int(align[1]) / self.rate
            raise RecordingError(
                f"{self._path} is truncated: its header promises {promised:.3f} s, the file holds "
                f"{self.samples / self.rate:.3f} s; copy it again, or accept what is there with: "
                f"ffmpeg -i {self._path.name} repaired.wav"
            )

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32."""
        try:
            with soundfile.SoundFile(self._path) as file:
                size = self.rate * BLOCK_SECONDS
                while len(block := file.read(size, dtype="float32", always_2d=True)):
                    yield block
        except soundfile.LibsndfileError as error:
            raise RecordingError(f"{self._path} is damaged: {error.error_string}; copy it again") from error


class FfmpegSource:
    """The first audio track of a file that ffmpeg reads.

    A track that starts later than its file (a camera that was switched on before its microphone) is padded at
    the front, so that times are those of a player.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self._path = path
        for tool in ("ffprobe", "ffmpeg"):
            if shutil.which(tool) is None:
                raise RecordingError(f"{path} needs {tool}, which is not installed; install ffmpeg ({reason})")
        entries = "stream=sample_rate,channels,duration,start_time:format=format_name,start_time"
        command = ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", entries, "-of", "json"]
        # "file:" keeps ffmpeg from reading a colon in the name as a protocol.
        answer = subprocess.run([*command, f"file:{path}"], capture_output=True, check=False)
        found = json.loads(answer.stdout or "{}")
        if not found.get("streams"):
            detail = _last_line(answer.stderr) or "no audio track"
            raise RecordingError(f"{path} is not audio that libsndfile or ffmpeg can read ({detail.split(': ')[-1]})")
        stream, container = found["streams"][0], found.get("format", {})
        self.rate = int(stream["sample_rate"])
        self._channels = int(stream["channels"])
        if "duration" in stream and container.get("format_name") not in ("aac", "mp3"):
            late = float(stream.get("start_time") or 0) - float(container.get("start_time") or 0)
            self.samples = round((float(stream["duration"]) + late) * self.rate)
        else:
            # Live recordings and Matroska state no length of the track; for AAC and MP3 ffprobe may only guess it.
            self.samples = sys.maxsize
            self.samples = sum(len(block) for block in self.blocks())

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32, `samples` at the most: a codec's last packet is longer."""
        command = ["ffmpeg", "-nostdin", "-v", "error", "-i", f"file:{self._path}", "-map", "0:a:0"]
        command += ["-af", "aresample=async=1:first_pts=0", "-c:a", "pcm_f32le", "-f", "f32le", "pipe:1"]
        left, frame_bytes = self.samples, 4 * self._channels
        with TemporaryFile() as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
            assert process.stdout is not None
            try:
                while left and (raw := process.stdout.read(self.rate * BLOCK_SECONDS * frame_bytes)):
                    block = np.frombuffer(raw[: len(raw) // frame_bytes * frame_bytes], "<f4")
                    block = block.reshape(-1, self._channels)[:left]
                    yield block
                    left -= len(block)
            finally:
                process.kill()
            errors.seek(0)
            complaint = _last_line(errors.read())
        # Without a complaint a track may end early: containers are not exact. Where no length is stated, what
        # could be decoded is the recording.
        short = left > SHORT_BY_SECONDS * self.rate if self.samples < sys.maxsize else left == self.samples
        if complaint and short:
            raise RecordingError(f"{self._path} is damaged or truncated: {complaint}; copy it again")


def _last_line(output: bytes) -> str:
    """The last line that a program printed."""
    return next(reversed(output.decode("utf-8", "replace").strip().splitlines()), "")


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
