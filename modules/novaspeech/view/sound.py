"""A recording's waveform and spectrogram, in as much detail as a page can hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import librosa
import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording
from novaspeech.audio.signal import Signal

RATE = 16_000  # Hz; the spectrogram ends at half of it
_PEAKS = 400_000  # largest number of steps of the waveform, each with its lowest and highest sample
_COLUMNS = 60_000  # largest number of columns of the spectrogram
_ROWS = 100
_AT_ONCE = 5 * RATE  # samples that are read at once
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
        """Reads a recording, in memory that its length does not change."""
        signal = recording.signal
        per_peak, hop = max(32, -(-signal.samples // _PEAKS)), max(80, -(-signal.samples // _COLUMNS))
        return cls(per_peak / RATE, *_peaks(signal, per_peak), hop / RATE, _levels(signal, hop))


def _peaks(signal: Signal, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest sample of every `size` samples, (n,) int8; the loudest of all is 127."""
    low, high, count = [], [], -(-signal.samples // size)
    for begin, end in _portions(count, size):
        steps = _audible(signal, begin * size, end * size).reshape(-1, size)
        low.append(steps.min(axis=1))
        high.append(steps.max(axis=1))
    lowest, highest = np.concatenate(low), np.concatenate(high)
    loudest = max(float(np.abs(lowest).max()), float(np.abs(highest).max()), 1e-9)
    return np.rint(127 * lowest / loudest).astype(np.int8), np.rint(127 * highest / loudest).astype(np.int8)


def _levels(signal: Signal, hop: int) -> np.ndarray:
    """Spectra (n, `_ROWS`) from 0 to 1, one a hop; a window's middle is the middle of its hop."""
    columns, first = [], (hop - _FFT) // 2
    for begin, end in _portions(-(-signal.samples // hop), hop):
        piece = _audible(signal, begin * hop + first, (end - 1) * hop + first + _FFT)
        power = np.abs(librosa.stft(piece, n_fft=_FFT, hop_length=hop, center=False)[1:]) ** 2
        edges = np.linspace(0, len(power), _ROWS + 1).astype(int)
        rows = np.stack([power[low:high].mean(axis=0) for low, high in pairwise(edges)], axis=1)
        columns.append((10 * np.log10(rows + 1e-12)).astype(np.float16))
    decibels = np.concatenate(columns)
    loudest = np.float16(np.percentile(decibels.astype(np.float32), 99.9))
    levels: np.ndarray = np.clip((decibels - (loudest - _DECIBELS)) / _DECIBELS, 0, 1)
    return levels


def _portions(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Begin and end of so many of `count` steps of `size` samples that they are read at once."""
    at_once = max(1, _AT_ONCE // size)
    for begin in range(0, count, at_once):
        yield begin, min(begin + at_once, count)


def _audible(signal: Signal, start: int, stop: int) -> FloatArray:
    """Samples [start, stop), with zeros for those that are not finite or beyond an end."""
    inside = signal.read(max(0, start), min(stop, signal.samples))
    before = max(0, -start)
    padded = np.pad(inside, (before, stop - start - before - len(inside)))
    return np.nan_to_num(padded, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
