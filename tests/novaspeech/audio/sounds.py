"""Sounds that look like no other part of themselves, and where they are found again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import soxr

from novaspeech.audio.recording import Recording

RATE = 48000
SECONDS = 2
LONG = 12


def noise(seconds: int = SECONDS) -> np.ndarray:
    """Noise of speech's bandwidth, (n,) at 48 kHz: it looks like no other part of itself."""
    return 0.1 * soxr.resample(np.random.default_rng(0).standard_normal(8000 * seconds), 8000, RATE)


def run(*words: object) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, words)], check=True)


def heard(path: Path) -> np.ndarray:
    return np.concatenate(list(Recording.open(path).blocks(16000)))


def lag_ms(found: np.ndarray, expected: np.ndarray) -> float:
    """By how much `found` is later than `expected` at 48 kHz."""
    expected = soxr.resample(expected, RATE, 16000)
    size = 1 << (len(found) + len(expected)).bit_length()
    spectrum = np.fft.rfft(np.nan_to_num(found), size) * np.conj(np.fft.rfft(expected, size))
    lag = int(np.fft.irfft(spectrum, size).argmax())
    return (lag - size if lag > size // 2 else lag) / 16
