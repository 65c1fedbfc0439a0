"""Sounds that look like no other part of themselves, and where they are found again."""

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
    made: np.ndarray = soxr.resample(np.random.default_rng(0).standard_normal(8000 * seconds), 8000, RATE)
    return 0.1 * made


def run(*words: object) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, words)], check=True)


def heard(path: Path, rate: int = 16000) -> np.ndarray:
    return signal_of(Recording.open(path, rate))


def signal_of(recording: Recording) -> np.ndarray:
    """All of it (n,) at the rate that it was opened at."""
    return recording.signal.read(0, recording.signal.samples)


def by_ffmpeg(path: Path, rate: int = 16000, *words: str) -> np.ndarray:
    """What FFmpeg's own command gives of the first audio track, (n,) mono."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-map", "0:a:0", *words]
    done = subprocess.run([*command, "-ac", "1", "-ar", str(rate), "-f", "f32le", "-"], capture_output=True, check=True)
    return np.frombuffer(done.stdout, "<f4")


def lag_ms(found: np.ndarray, expected: np.ndarray) -> float:
    """By how much `found` at 16 kHz is later than `expected` at 48 kHz."""
    return lag(found, soxr.resample(expected, RATE, 16000)) / 16


def lag(found: np.ndarray, expected: np.ndarray) -> int:
    """By how many samples `found` is later than `expected`."""
    size = 1 << (len(found) + len(expected)).bit_length()
    spectrum = np.fft.rfft(np.nan_to_num(found), size) * np.conj(np.fft.rfft(expected, size))
    place = int(np.fft.irfft(spectrum, size).argmax())
    return place - size if place > size // 2 else place
