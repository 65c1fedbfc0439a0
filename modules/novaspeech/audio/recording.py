"""A session's audio as mono float32 blocks at the model's rate, in constant memory."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from novaspeech.arrays import FloatArray, bridged, runs
from novaspeech.audio.ffmpeg import FfmpegSource
from novaspeech.audio.sources import ExcerptSource, SoundfileSource, Source
from novaspeech.errors import RecordingError

SPECIAL_FILES = (
    (stat.S_ISFIFO, "a pipe (FIFO)"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)

# Of files by which recordings are known in a folder; one that is named may have any.
ENDINGS = frozenset(
    f".{name}"
    for name in (
        *("wav", "wave", "w64", "rf64", "flac", "ogg", "oga", "opus", "mp3", "mp2", "m4a", "aac", "aif", "aiff"),
        *("aifc", "au", "snd", "caf", "amr", "wma", "ac3", "sph", "mp4", "m4v", "mov", "mkv", "mka", "webm", "avi"),
        *("wmv", "asf", "mpg", "mpeg", "ts", "mts", "m2ts", "ogv", "flv", "3gp"),
    )
)


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
            RecordingError: missing, a folder, a pipe or device, empty, truncated or no audio.
        """
        if not path.exists():
            raise RecordingError(
                f"{path} does not exist; give the path of an audio file on the machine that runs novaspeech"
            )
        if path.is_dir():
            raise RecordingError(f"{path} is a folder; give the path of one audio file")
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = next((name for is_kind, name in SPECIAL_FILES if is_kind(status.st_mode)), "no regular file")
            raise RecordingError(f"{path} is {kind}; write the audio to a file and give its path")
        if not status.st_size:
            raise RecordingError(f"{path} is an empty file (0 bytes)")
        try:
            source: Source = SoundfileSource(path)
        except (soundfile.LibsndfileError, ValueError, TypeError) as not_for_soundfile:  # TypeError: a file called .raw
            source = FfmpegSource(path, str(not_for_soundfile))
        return cls(str(path), source)

    @property
    def duration_ms(self) -> int:
        """Whole milliseconds of audio that the source states."""
        return self.samples * 1000 // self.rate

    def excerpt(self, spans: Sequence[tuple[int, int]]) -> Recording:
        """Parts of it one after the other, in the order of time; what two of them share is there once.

        Args:
            spans: from when to when each lasts, in ms; what lies beyond the recording's end is left out.

        Raises:
            RecordingError: all of it does.
        """
        parts: list[tuple[int, int]] = []
        for start_ms, end_ms in sorted(spans):
            start, end = (min(ms * self.rate // 1000, self.samples) for ms in (start_ms, end_ms))
            start = max(start, parts[-1][1]) if parts else max(start, 0)
            if start < end:
                parts.append((start, end))
        if not parts:
            first, last = min(start for start, _ in spans), max(end for _, end in spans)
            raise RecordingError(
                f"{self.name} has {self.duration_ms} ms of audio, and nothing from {first} to {last} ms"
            )
        begin, end = (1000 * sample // self.rate for sample in (parts[0][0], parts[-1][1]))
        what = f"{begin} to {end} ms" if len(parts) == 1 else f"{len(parts)} parts"
        return Recording(f"{self.name} ({what})", ExcerptSource(self._source, parts))

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


class _BadSpans:
    """Carries NaN and infinite samples past the resampler, which would smear them over thousands of others."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._rates = rate_in, rate_out
        self._taken = self._given = 0
        self._spans: list[tuple[int, int]] = []  # samples of the output, not yet given

    def take(self, mono: FloatArray) -> FloatArray:
        """Notes the bad samples of the next input (n,), and gives it back with those bridged."""
        rate_in, rate_out = self._rates
        finite = np.isfinite(mono)
        if not finite.all():
            mono = bridged(mono, finite)
            for begin, end in runs(~finite):
                after = -(-(self._taken + end) * rate_out // rate_in)
                self._spans.append(((self._taken + begin) * rate_out // rate_in, after))
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
