"""What the numbers of all modules are compared by: windows cut from a recording that was decoded as a whole."""

import subprocess
from pathlib import Path

import numpy as np
import soundfile
import soxr

from novaspeech.audio.windows import WindowGrid


def decoded(path: Path) -> tuple[np.ndarray, int]:
    """(n, channels) float32 and rate, decoded as a whole."""
    if path.suffix in (".mp3", ".m4a", ".mp4"):
        wav = path.with_suffix(".decoded.wav")
        subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-c:a", "pcm_f32le", str(wav)], check=True)
        path = wav
    return soundfile.read(path, dtype="float32", always_2d=True)


def cut_windows(path: Path, grid: WindowGrid) -> list[np.ndarray]:
    """The windows of a grid at 16 kHz, edges padded."""
    samples, rate = decoded(path)
    mono = samples[:, samples.any(axis=0)].mean(axis=1)  # a channel that is silent throughout does not count
    signal = mono if rate == 16000 else soxr.resample(mono, rate, 16000, quality="HQ")
    padded = np.pad(signal, (16 * grid.left_ms, 16 * (grid.frame_ms + grid.right_ms)), mode="edge")
    starts = 16 * grid.stride_ms * np.arange(grid.count)
    return [padded[start : start + 16 * grid.length_ms] for start in starts]


def assert_close(found: np.ndarray, expected: np.ndarray, relative: float = 1e-4) -> None:
    """Holds the largest difference to a share of the largest value."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= relative * np.abs(expected).max()


def pooled(hidden: np.ndarray, hop: int, length: int, grid: WindowGrid) -> list[np.ndarray]:
    """Of each window the frames (F, D) whose middles lie in it, of 16 kHz; `hop` and `length` are samples."""
    middles = (np.arange(len(hidden)) * hop + length / 2) / 16
    starts = np.arange(grid.count) * grid.stride_ms - grid.left_ms
    return [hidden[(middles >= start) & (middles < start + grid.length_ms)] for start in starts]
