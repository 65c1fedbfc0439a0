"""A recording's waveform and spectrogram, in as much detail as a page can hold."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import librosa
import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording

RATE = 16_000  # Hz; the spectrogram ends at half of it
_PEAKS = 400_000  # largest number of steps of the waveform, each with its lowest and highest sample
_COLUMNS = 60_000  # largest number of columns of the spectrogram
_ROWS = 100
_FFT = 512  # samples of a window, 32 ms
_DECIBELS = np.float16(70)  # dynamic range, the same as in Praat


@dataclass(frozen=True)
class Sound:
    """A recording, reduced to what a page or a picture shows.

    Attributes:
        step: seconds from one peak to the next.
        low, high: (n,) int8, lowest and highest sample of each step; 127 is the loudest sample of the recording.
        hop: seconds from one spectrum to the next.
        levels: (m, F) float16, spectrogram from 0 to `RATE` / 2 Hz: 1 is the loudest, 0 is 70 dB below it.
    """

    step: float
    low: np.ndarray
    high: np.ndarray
    hop: float
    levels: np.ndarray

    @classmethod
    def of(cls, recording: Recording) -> Sound:
        """Reads a recording once, in memory that its length does not change.

        Raises:
            RecordingError: the recording cannot be read.
        """
        samples = recording.signal.samples
        per_peak, hop = max(32, -(-samples // _PEAKS)), max(80, -(-samples // _COLUMNS))
        peaks, spectra = _Peaks(per_peak), _Spectra(hop)
        for block in recording.signal.blocks():
            audible = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
            peaks.take(audible)
            spectra.take(audible)
        low, high = peaks.scaled()
        return cls(per_peak / RATE, low, high, hop / RATE, spectra.levels())


class _Peaks:
    def __init__(self, size: int) -> None:
        self._size = size
        self._low: list[FloatArray] = []
        self._high: list[FloatArray] = []
        self._rest = np.zeros(0, np.float32)

    def take(self, block: FloatArray) -> None:
        block = np.concatenate([self._rest, block])
        whole = len(block) // self._size * self._size
        rows = block[:whole].reshape(-1, self._size)
        self._low.append(rows.min(axis=1))
        self._high.append(rows.max(axis=1))
        self._rest = block[whole:]

    def scaled(self) -> tuple[np.ndarray, np.ndarray]:
        if len(self._rest):
            self.take(np.zeros(self._size - len(self._rest), np.float32))
        low, high = np.concatenate(self._low), np.concatenate(self._high)
        loudest = max(float(np.abs(low).max()), float(np.abs(high).max()), 1e-9)
        return (np.rint(127 * low / loudest).astype(np.int8), np.rint(127 * high / loudest).astype(np.int8))


class _Spectra:
    """Log-power spectra (n, `_ROWS`), one a hop; a window's middle is the middle of its hop."""

    def __init__(self, hop: int) -> None:
        self._hop = hop
        self._columns: list[np.ndarray] = []
        self._rest = np.zeros((_FFT - hop) // 2 if hop < _FFT else 0, np.float32)
        self._skip = (hop - _FFT) // 2 if hop > _FFT else 0  # samples of each hop before its window

    def take(self, block: FloatArray) -> None:
        block = np.concatenate([self._rest, block])
        count = max(0, (len(block) - max(_FFT, self._hop)) // self._hop + 1)
        if count:
            used = block[self._skip : self._skip + (count - 1) * self._hop + _FFT]
            power = np.abs(librosa.stft(used, n_fft=_FFT, hop_length=self._hop, center=False)[1:]) ** 2
            edges = np.linspace(0, len(power), _ROWS + 1).astype(int)
            rows = np.stack([power[begin:end].mean(axis=0) for begin, end in pairwise(edges)], axis=1)
            self._columns.append((10 * np.log10(rows + 1e-12)).astype(np.float16))
            block = block[count * self._hop :]
        self._rest = block

    def levels(self) -> np.ndarray:
        self.take(np.zeros(max(_FFT, self._hop), np.float32))
        decibels = np.concatenate(self._columns)
        loudest = np.float16(np.percentile(decibels.astype(np.float32), 99.9))
        levels: np.ndarray = np.clip((decibels - (loudest - _DECIBELS)) / _DECIBELS, 0, 1)
        return levels
