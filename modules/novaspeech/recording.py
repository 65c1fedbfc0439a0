"""A session's audio as mono float32 blocks at the model's rate, in constant memory."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Protocol

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from novaspeech.errors import RecordingError

FloatArray = npt.NDArray[np.float32]

BLOCK_SECONDS = 5
# Recorders that write to a pipe cannot know the length and put a number near 2^31 or 2^32 in the header instead.
UNKNOWN_SIZE = 0x7FFF_0000


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


class Recording:
    """One audio input of a session.

    Attributes:
        name: how messages call it.
        rate: sampling rate of the source, in Hz.
        samples: samples per channel that the source states.
    """

    def __init__(self, name: str, source: Source) -> None:
        self.name = name
        self._source = source
        self.rate = source.rate
        self.samples = source.samples
        if not self.samples:
            raise RecordingError(f"{name} holds no samples; it needs at least one window of audio")

    @classmethod
    def open(cls, path: Path) -> Recording:
        """The recording in a file: whatever libsndfile reads, and through ffmpeg the rest (m4a, aac, mp4, …).

        Raises:
            RecordingError: missing, a folder, empty, truncated or no audio.
        """
        if not path.exists():
            raise RecordingError(f"{path} does not exist; give the path of an audio file as the server sees it")
        if path.is_dir():
            raise RecordingError(f"{path} is a folder; give the path of one audio file")
        if not path.stat().st_size:
            raise RecordingError(f"{path} is an empty file (0 bytes)")
        try:
            source: Source = SoundfileSource(path)
        except soundfile.LibsndfileError as not_for_soundfile:
            source = FfmpegSource(path, not_for_soundfile)
        return cls(str(path), source)

    @property
    def duration_ms(self) -> int:
        """Whole milliseconds of audio that the source states."""
        return self.samples * 1000 // self.rate

    def blocks(self, sampling_rate: int) -> Iterator[FloatArray]:
        """The recording as one continuous signal: consecutive pieces (n,) float32, mono, at `sampling_rate` Hz.

        Channels are averaged. Resampling is soxr's HQ over the whole signal, the same as resampling it in one go.
        Samples that are NaN or infinite stay NaN where they were, and touch no other sample's window.
        """
        resampler = None
        if sampling_rate != self.rate:
            resampler = soxr.ResampleStream(self.rate, sampling_rate, 1, dtype="float32", quality="HQ")
        spans = _BadSpans(self.rate, sampling_rate)
        for block in self._source.blocks():
            mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
            mono = spans.take(mono)
            yield spans.restore(resampler.resample_chunk(mono) if resampler else mono)
        if resampler:
            yield spans.restore(resampler.resample_chunk(np.zeros(0, np.float32), last=True))


class SoundfileSource:
    """A file that libsndfile reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with soundfile.SoundFile(path) as file:
            self.rate: int = file.samplerate
            self.samples: int = file.frames
            stated = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
        if stated and int(stated[2]) < int(stated[1]) < UNKNOWN_SIZE:
            there = self.samples / self.rate
            raise RecordingError(
                f"{path} is truncated: its header promises {there * int(stated[1]) / max(1, int(stated[2])):.3f} s, "
                f"the file holds {there:.3f} s; copy it again, or accept what is there with: ffmpeg -i {path.name} "
                f"repaired.wav"
            )

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32."""
        try:
            with soundfile.SoundFile(self._path) as file:
                size = self.rate * BLOCK_SECONDS
                while len(block := file.read(size, dtype="float32", always_2d=True)):
                    yield block
        except soundfile.LibsndfileError as error:
            raise RecordingError(f"{self._path} is damaged: {error.error_string}") from error


class FfmpegSource:
    """The first audio track of a file that ffmpeg reads.

    A track that starts later than its file (a camera that was switched on before its microphone) is padded at
    the front, so that times are those of a player.
    """

    def __init__(self, path: Path, reason: Exception) -> None:
        self._path = path
        for tool in ("ffprobe", "ffmpeg"):
            if shutil.which(tool) is None:
                raise RecordingError(f"{path} needs {tool}, which is not installed; install ffmpeg ({reason})")
        entries = "stream=sample_rate,channels,duration,start_time:format=format_name,duration,start_time"
        command = ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", entries, "-of", "json"]
        # "file:" keeps ffmpeg from reading a colon in the name as a protocol.
        answer = subprocess.run([*command, f"file:{path}"], capture_output=True, text=True, check=False)
        found = json.loads(answer.stdout or "{}")
        if not found.get("streams"):
            detail = answer.stderr.strip().splitlines()[-1:] or ["no audio track"]
            raise RecordingError(
                f"{path} is not audio that libsndfile or ffmpeg can read ({detail[0].split(': ')[-1]})"
            )
        stream, container = found["streams"][0], found.get("format", {})
        self.rate = int(stream["sample_rate"])
        self._channels = int(stream["channels"])
        length = float(stream.get("duration") or container.get("duration") or 0)
        late = float(stream.get("start_time") or 0) - float(container.get("start_time") or 0)
        self.samples = round((length + late) * self.rate)
        if not length or container.get("format_name") == "aac":
            # A live recording states no length, and for bare AAC ffprobe only guesses one from the bit rate.
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
                    block = np.frombuffer(raw[: len(raw) // frame_bytes * frame_bytes], "<f4").reshape(
                        -1, self._channels
                    )
                    yield block[:left]
                    left -= len(block[:left])
            finally:
                process.kill()
            if left == self.samples:
                errors.seek(0)
                raise RecordingError(
                    f"{self._path} cannot be decoded: {errors.read().decode(errors='replace').strip()}"
                )


@dataclass
class ArraySource:
    """Samples that the host already holds: (n, channels) or (n,), any float or integer type."""

    samples_array: npt.NDArray[np.generic]
    rate: int

    @property
    def samples(self) -> int:
        """Samples per channel."""
        return len(self.samples_array)

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32."""
        size = self.rate * BLOCK_SECONDS
        for start in range(0, len(self.samples_array), size):
            block = np.asarray(self.samples_array[start : start + size], np.float32)
            yield block.reshape(len(block), -1)


class _BadSpans:
    """Carries NaN and infinite samples past the resampler, which would smear them over thousands of others."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._rates = rate_in, rate_out
        self._taken = self._given = 0
        self._spans: list[tuple[int, int]] = []  # samples of the output, not yet given

    def take(self, mono: FloatArray) -> FloatArray:
        """Notes the bad samples of the next input (n,), and gives it back with those bridged."""
        rate_in, rate_out = self._rates
        bad = np.flatnonzero(~np.isfinite(mono))
        if len(bad):
            good = np.flatnonzero(np.isfinite(mono))
            mono = mono.copy()
            mono[bad] = np.interp(bad, good, mono[good]) if len(good) else 0.0
            first = (self._taken + bad) * rate_out // rate_in
            after = -(-(self._taken + bad + 1) * rate_out // rate_in)
            self._spans.extend(zip(first.tolist(), after.tolist(), strict=True))
        self._taken += len(mono)
        return mono

    def restore(self, signal: FloatArray) -> FloatArray:
        """Puts NaN back into the next output (n,)."""
        begin, end = self._given, self._given + len(signal)
        if self._spans:
            signal = signal.copy()
            for first, after in self._spans:
                signal[max(0, first - begin) : max(0, min(after, end) - begin)] = np.nan
            self._spans = [span for span in self._spans if span[1] > end]
        self._given = end
        return signal
