"""A recording's waveform and spectrogram, in as much detail as a page can hold."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import librosa
import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording
from novaspeech.audio.signal import Signal

RATE = 16_000  # Hz; the spectrogram ends at half of it
_STEPS = 400_000  # largest number of steps of the waveform, each with its lowest and highest sample
_SHORTEST_STEP = 12  # samples
_STEPS_A_HOP = 7  # so that the spectrogram has at most 60,000 columns
_ROWS = 100
_AT_ONCE = 5 * RATE  # samples that are read at once
_FFT = 512  # samples of a window, 32 ms
_DECIBELS = np.float16(70)  # dynamic range, the same as in Praat


@dataclass(frozen=True)
class Sound:
    """A recording, reduced to what a page or a picture shows.

    Attributes:
        step: seconds from one step of the waveform to the next.
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
        signal, lows, highs, spectra = recording.signal, [], [], []
        step = max(_SHORTEST_STEP, -(-signal.samples // _STEPS))
        hop = _STEPS_A_HOP * step
        at_once = max(1, _AT_ONCE // hop) * hop
        for start in range(0, signal.samples, at_once):
            stop = start + min(at_once, -(-(signal.samples - start) // hop) * hop)
            steps = _audible(signal, start, stop).reshape(-1, step)
            lows.append(steps.min(axis=1))
            highs.append(steps.max(axis=1))
            beside = (_FFT - hop) // 2  # a window's middle is the middle of its hop
            spectra.append(_spectra(_audible(signal, start - beside, stop - hop - beside + _FFT), hop))
        loudest = max(np.abs(np.concatenate([*lows, *highs])).max(), 1e-9)
        low, high = (np.rint(127 * np.concatenate(part) / loudest).astype(np.int8) for part in (lows, highs))
        return cls(step / RATE, low, high, hop / RATE, _levels(np.concatenate(spectra)))


def _spectra(samples: FloatArray, hop: int) -> np.ndarray:
    """Decibels (n, `_ROWS`) from 0 to `RATE` / 2 Hz, a row a hop."""
    power = np.abs(librosa.stft(samples, n_fft=_FFT, hop_length=hop, center=False)[1:]) ** 2
    edges = np.linspace(0, len(power), _ROWS + 1).astype(int)
    rows = np.stack([power[low:high].mean(axis=0) for low, high in pairwise(edges)], axis=1)
    return (10 * np.log10(rows + 1e-12)).astype(np.float16)


def _levels(decibels: np.ndarray) -> np.ndarray:
    """Decibels as levels from 0 to 1."""
    loudest = np.float16(np.percentile(decibels.astype(np.float32), 99.9))
    levels: np.ndarray = np.clip((decibels - (loudest - _DECIBELS)) / _DECIBELS, 0, 1)
    return levels


def _audible(signal: Signal, start: int, stop: int) -> FloatArray:
    """Samples [start, stop), with zeros for those that are not finite or beyond an end."""
    inside = signal.read(max(0, start), min(stop, signal.samples))
    before = max(0, -start)
    padded = np.pad(inside, (before, stop - start - before - len(inside)))
    return np.nan_to_num(padded, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
