"""What happens to speech between a mouth and a file: rooms, noise, telephones, other voices' speeds and pitches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import soxr
from scipy.signal import fftconvolve, lfilter

from novaspeech.arrays import FloatArray
from training.speech import RATE

SLOWEST, FASTEST = 0.85, 1.18


def at_another_speed(signal: FloatArray, generator: np.random.Generator) -> tuple[FloatArray, float]:
    """The signal at another speed, its pitch with it, and how much shorter it is."""
    factor = float(generator.uniform(SLOWEST, FASTEST))
    return at_speed(signal, factor), factor


def at_speed(signal: FloatArray, factor: float) -> FloatArray:
    """The signal so many times as fast, its pitch with it."""
    return np.asarray(soxr.resample(signal, RATE * factor, RATE, quality="LQ"), np.float32)


def degraded(signal: FloatArray, others: Sequence[FloatArray], generator: np.random.Generator) -> FloatArray:
    """A signal as some microphone, room or line may give it; nothing is moved in time.

    Args:
        signal: (N,) at `RATE`.
        others: speech to mix into a murmur.
    """
    if generator.random() < 0.4:
        signal = in_a_room(signal, generator)
    if generator.random() < 0.5:
        signal = tilted(signal, generator)
    if generator.random() < 0.7:
        signal = signal + noise_for(signal, others, float(generator.uniform(3, 35)), generator)
    if generator.random() < 0.15:
        signal = by_telephone(signal, generator)
    return signal


def in_a_room(signal: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Speech in a room: its direct sound, then an exponential decay of noise (Polack's model)."""
    reverberation = generator.uniform(0.1, 0.7)  # s until 60 dB are gone
    times = np.arange(round(reverberation * RATE)) / RATE
    tail = generator.normal(0, 1, len(times)) * np.exp(-6.9 * times / reverberation)
    tail[: int(generator.uniform(0.001, 0.012) * RATE)] = 0
    direct_to_reverberant = generator.uniform(-2, 15)
    tail *= 10 ** (-direct_to_reverberant / 20) / np.sqrt(np.sum(tail**2) + 1e-9)
    tail[0] = 1
    return np.asarray(fftconvolve(signal, tail.astype(np.float32))[: len(signal)], np.float32)


def tilted(signal: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Speech with more treble, or less."""
    pole = float(generator.uniform(-0.6, 0.6))
    if generator.random() < 0.5:
        return np.asarray(lfilter([1, -pole], [1], signal), np.float32)
    return np.asarray(lfilter([1 - abs(pole)], [1, -pole], signal), np.float32)


def noise_for(
    signal: FloatArray, others: Sequence[FloatArray], snr_db: float, generator: np.random.Generator
) -> FloatArray:
    """Noise so many decibels below a signal: of some colour, a hum, or a murmur of others."""
    count = len(signal)
    kind = generator.choice(["coloured", "murmur", "hum"], p=[0.6, 0.3, 0.1])
    if kind == "murmur" and others:
        noise = np.zeros(count)
        for _ in range(generator.integers(1, 6)):
            other = others[int(generator.integers(len(others)))]
            noise += generator.uniform(0.3, 1) * np.resize(np.roll(other, generator.integers(len(other))), count)
    elif kind == "hum":
        times = np.arange(count) / RATE
        first = generator.choice([50, 60, 100, 120, 180, 400])
        noise = sum(np.sin(2 * np.pi * first * n * times + n) / n for n in range(1, 8)) + generator.normal(
            0, 0.2, count
        )
    else:
        white = np.fft.rfft(generator.normal(0, 1, count))
        slope = generator.uniform(-1.2, 0.3)  # -1 is brown, 0 is white
        noise = np.fft.irfft(white * np.maximum(1, np.arange(len(white)) / count * RATE / 100) ** slope, count)
    level = np.sqrt(np.mean(signal**2) / (np.mean(noise**2) + 1e-12)) * 10 ** (-snr_db / 20)
    return np.asarray(level * noise, np.float32)


def by_telephone(signal: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Speech at 8 kHz in eight bits of mu-law, and back."""
    narrow = soxr.resample(signal, RATE, RATE // 2)
    narrow = narrow - lfilter([0.1], [1, -0.9], narrow)  # without what lies below 300 Hz, about
    top = np.abs(narrow).max() + 1e-9
    folded = np.sign(narrow) * np.log1p(255 * np.abs(narrow) / top) / np.log(256)
    folded = np.round(folded * 127) / 127
    opened = np.sign(folded) * np.expm1(np.abs(folded) * np.log(256)) / 255 * top
    wide = soxr.resample(opened.astype(np.float32), RATE // 2, RATE)
    return np.asarray(np.resize(wide, len(signal)) if len(wide) < len(signal) else wide[: len(signal)], np.float32)
