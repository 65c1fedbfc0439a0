"""A recording: decoded once, mixed down, resampled to the model's rate, and kept as one signal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from novaspeech.arrays import FloatArray
from novaspeech.audio.av_source import AvSource
from novaspeech.audio.mono import MIX, Channel, Mono, Source
from novaspeech.audio.signal import BLOCK_SECONDS, Signal
from novaspeech.audio.soundfile_source import SoundfileSource
from novaspeech.errors import RecordingError
from novaspeech.hooks import Log, Progress, ignore

RATE = 16_000  # Hz, of every published speech model
LEAST_RATE, MOST_RATE = 1_000, 1_000_000  # Hz; limits of anything that records sound

# File endings of recordings, for the search of a folder; a file given by name may have any.
ENDINGS = frozenset(
    f".{name}"
    for name in (
        *("wav", "wave", "w64", "rf64", "flac", "ogg", "oga", "opus", "mp3", "mp2", "m4a", "aac", "aif", "aiff"),
        *("aifc", "au", "snd", "caf", "amr", "wma", "ac3", "sph", "mp4", "m4v", "mov", "mkv", "mka", "webm", "avi"),
        *("wmv", "asf", "mpg", "mpeg", "ts", "mts", "m2ts", "ogv", "flv", "3gp"),
    )
)


@dataclass(frozen=True, eq=False)
class Recording:
    """One audio input of a session.

    Attributes:
        name: the recording's name in messages.
        signal: mono signal at the model's rate.
        samples: samples per channel of the source.
        rate: sampling rate of the source, in Hz.
        path: the source's file; None without one.
        start_ms: where in its file it begins, if it is a part of it.
    """

    name: str
    signal: Signal
    samples: int
    rate: int
    path: Path | None = None
    start_ms: int = 0

    @classmethod
    def open(
        cls, path: Path, rate: int = RATE, channel: Channel = MIX, log: Log = ignore, reading: Progress = ignore
    ) -> Recording:
        """The recording in a file. libsndfile reads WAV, FLAC and the like, FFmpeg's libraries read the rest.

        Args:
            rate: sampling rate of the signal, in Hz.
            channel: "mix", or the number of one channel, from 1 on.
            log: takes a line about what was found.
            reading: called with the milliseconds read so far, and the stated total (0 if none is stated).

        Raises:
            RecordingError: the file is missing, a folder, a pipe or device, empty, truncated, damaged, without sound or
                without this channel; it holds numbers that are no sound; or the disk for temporary files is full.
        """
        path = _existing(path)
        _check_kind(path)
        try:
            source: Source = SoundfileSource(path)
        except (soundfile.LibsndfileError, ValueError) as not_for_libsndfile:
            source = AvSource(path, str(not_for_libsndfile))
        if not LEAST_RATE <= source.rate <= MOST_RATE:
            raise RecordingError(
                f"{path} is damaged: it states {source.rate} samples per second, and sound has {LEAST_RATE} to "
                f"{MOST_RATE}; copy it again, or convert it to WAV and check that its times are right"
            )
        return cls._decoded(source, str(path), rate, channel, log, reading, path)

    @classmethod
    def of_samples(
        cls,
        samples: npt.NDArray[Any],
        samples_rate: int,
        name: str,
        rate: int = RATE,
        channel: Channel = MIX,
        log: Log = ignore,
    ) -> Recording:
        """The recording in an array.

        Args:
            samples: (n, channels) or (n,), any float or integer type.
            samples_rate: sampling rate of the array, in Hz.
            name: the recording's name in messages.
            rate, channel, log: see `open`.

        Raises:
            RecordingError: the array is empty or of another shape, lacks the channel, or holds numbers that are no
                sound.
        """
        samples = np.asarray(samples)
        if samples.ndim not in (1, 2) or samples.shape[-1] > len(samples) or samples_rate <= 0:
            raise RecordingError(
                f"{name} has samples of shape {samples.shape} at {samples_rate} Hz; (n,) or (n, channels) is needed, a "
                "row a sample"
            )
        return cls._decoded(_Array(samples, int(samples_rate)), name, rate, channel, log, ignore, None)

    @classmethod
    def _decoded(
        cls, source: Source, name: str, rate: int, channel: Channel, log: Log, reading: Progress, path: Path | None
    ) -> Recording:
        mono = Mono(source, rate, channel, name)
        signal = Signal(rate, mono.pieces(reading), name)
        if not mono.taken:
            raise RecordingError(f"{name} holds no samples; it needs at least one window of audio")
        signal.settle(mono.divisor(log), mono.blank)
        return cls(name, signal, mono.taken, source.rate, path)

    @property
    def duration_ms(self) -> int:
        """Whole milliseconds of audio."""
        return self.samples * 1000 // self.rate

    def excerpt(self, spans: Sequence[tuple[int, int]]) -> Recording:
        """The given parts, joined in the order of time; an overlap of two parts appears once.

        Args:
            spans: (start, end) of each part, in ms; the recording's end cuts them off.

        Raises:
            RecordingError: no part lies within the recording.
        """
        signal, parts = self.signal, list[tuple[int, int]]()
        for start_ms, end_ms in sorted(spans):
            start, end = (min(ms * signal.rate // 1000, signal.samples) for ms in (start_ms, end_ms))
            start = max(start, parts[-1][1]) if parts else max(start, 0)
            if start < end:
                parts.append((start, end))
        if not parts:
            first, last = min(start for start, _ in spans), max(end for _, end in spans)
            raise RecordingError(
                f"{self.name} has {self.duration_ms} ms of audio, and nothing from {first} to {last} ms"
            )
        begin, end = (1000 * sample // signal.rate for sample in (parts[0][0], parts[-1][1]))
        name = f"{self.name} ({f'{begin} to {end} ms' if len(parts) == 1 else f'{len(parts)} parts'})"
        joined = Signal(signal.rate, (signal.read(*part) for part in parts), name)
        return Recording(name, joined, joined.samples, joined.rate)


class _Array:
    """Samples that the caller already holds."""

    def __init__(self, samples: npt.NDArray[Any], rate: int) -> None:
        self._samples, self.rate = samples[:, None] if samples.ndim == 1 else samples, rate
        self.channels, self.seconds = self._samples.shape[1], len(samples) / rate

    def blocks(self) -> Iterator[FloatArray]:
        size = self.rate * BLOCK_SECONDS
        for start in range(0, len(self._samples), size):
            block = self._samples[start : start + size]
            full_scale = np.iinfo(block.dtype).max + 1 if np.issubdtype(block.dtype, np.integer) else 1
            yield np.asarray(block, np.float32) / np.float32(full_scale)


def _existing(path: Path) -> Path:
    """The path as the disk spells it: macOS may store ü as u and ¨, where other systems store one character."""
    if path.exists():
        return path
    parent = path.parent if path.parent == path else _existing(path.parent)
    if parent.is_dir():
        name = unicodedata.normalize("NFC", path.name)
        for other in parent.iterdir():
            if unicodedata.normalize("NFC", other.name) == name:
                return other
    return path


def _check_kind(path: Path) -> None:
    if not path.exists():
        raise RecordingError(
            f"{path} does not exist; give the path of an audio file on the machine that runs novaspeech"
        )
    if path.is_dir():
        raise RecordingError(f"{path} is a folder; give the path of one audio file")
    if not path.is_file():
        raise RecordingError(f"{path} is a pipe, a device or a socket; write the audio to a file and give its path")
    if not path.stat().st_size:
        raise RecordingError(f"{path} is an empty file (0 bytes)")
