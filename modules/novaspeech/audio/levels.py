"""Levels: what a recorder did wrong, in words; and the windows in which it heard nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from novaspeech.arrays import BoolArray, FloatArray, runs
from novaspeech.audio.grid import WindowGrid, samples_per_ms
from novaspeech.audio.signal import Signal

# Level in dBFS (RMS, of an amplitude of 1) that no microphone reaches. 16 bit with TPDF dither have half a step of
# noise, -96.3 dBFS (Lipshitz et al. 1992, J. Audio Eng. Soc. 40). The quietest studio microphones hear themselves as a
# sound of 4 dB(A); where speech, 60 dB(A) at 1 m, has the usual -26 dBFS (ITU-T P.56), that is -82 dBFS.
SILENCE_DB = -90
# Minimum decibels from the loudest sample down to silence, for recordings that were turned down with their noise: a
# voice in a quiet room has less.
RANGE_DB = 60
# Peak in dBFS below which a floor in models' own normalisation tells: transformers adds 1e-7 to the variance. Speech
# with this peak has an RMS of -60 dBFS or less, where that takes 5 % of the scale; at -70 dBFS it takes 29 %.
# Lavalier microphones at a line input, and 32-bit float recorders that nobody set, are as soft.
SOFT_DB = -45
CANCELLED_DB = 20  # minimum loss by mixing that is reported
# Amplitude of full scale, and samples in a row from which on it is clipping, as in Audacity. Cameras and telephones
# that set their gain themselves clip at a near voice.
FULL_SCALE, CLIPPED_RUN = 0.9999, 3
CLIPPED_SHARE = 1e-4  # minimum share of clipped samples that is reported: less is a knock at the microphone
FLOAT_PEAK = 2.0  # amplitude above which samples have no full scale: 32-bit float recorders
# Minimum constant offset that is reported, as an amplitude and as a share of the sound's RMS, of which half is a fifth
# of all power. Cheap sound cards have it.
OFFSET, OFFSET_SHARE = 1e-3, 0.5


class Levels:
    """Levels of a recording, from all of its blocks as they were decoded.

    Args:
        channels: number of channels that are heard.
    """

    def __init__(self, channels: int) -> None:
        self.sounds = np.zeros(channels, bool)
        self._energies, self._energy, self._sum = np.zeros(channels), 0.0, 0.0
        self._low, self._high, self._peak = math.inf, -math.inf, 0.0
        self._count = self._clipped = 0

    def take(self, channels: FloatArray, mixed: FloatArray) -> None:
        """Takes the next block, finite samples only: channels (channels, n), and their sum (n,)."""
        if not len(mixed):
            return
        with np.errstate(over="ignore"):  # numbers that large are refused as no sound
            self._energies += [np.dot(channel, channel) for channel in channels]
            self._energy += float(np.dot(mixed, mixed))
            self._sum += float(mixed.sum())
        self._low, self._high = min(self._low, float(mixed.min())), max(self._high, float(mixed.max()))
        self._count += len(mixed)
        peaks = np.maximum(channels.max(axis=1), -channels.min(axis=1))
        self.sounds |= peaks > 0
        self._peak = max(self._peak, float(peaks.max()))
        for channel in channels[peaks >= FULL_SCALE]:
            lengths = (end - begin for begin, end in runs(np.abs(channel) >= FULL_SCALE))
            self._clipped += sum(length for length in lengths if length >= CLIPPED_RUN)

    @property
    def divisor(self) -> int:
        """Number of channels with sound, of which the sum of all becomes the mean."""
        return max(1, int(self.sounds.sum()))

    def remarks(self, name: str) -> str:
        """One line about the recording `name`; "" if all is well."""
        remarks = [*self._cancelled(), *self._clipping(), *self._soft(), *self._offset()]
        return f"{name}: {'; '.join(remarks)}" if remarks else ""

    def _cancelled(self) -> Iterator[str]:
        count = self.divisor
        held, kept = float(self._energies.sum()) / count, self._energy / count**2
        if count > 1 and kept < held * 10 ** (-CANCELLED_DB / 10):
            lost = f"{10 * math.log10(held / kept):.0f} dB of what they hold" if kept else "all that they hold"
            yield (
                f"mixing its {len(self.sounds)} channels cancels {lost}, as if one were another turned over; take one "
                "of them: channel=1"
            )

    def _clipping(self) -> Iterator[str]:
        share = self._clipped / max(1, self._count * self.divisor)
        if share >= CLIPPED_SHARE and self._peak <= FLOAT_PEAK:
            yield (
                f"{100 * share:.2f} % of its samples are clipped, {CLIPPED_RUN} or more in a row at full scale: loud "
                "passages are distorted; record with less gain"
            )

    def _soft(self) -> Iterator[str]:
        peak = _decibels(max(self._high - self._mean, self._mean - self._low) / self.divisor)
        if peak < SOFT_DB and _decibels(self._sound) >= SILENCE_DB:
            yield (
                f"its loudest sample is at {peak:.1f} dBFS, too soft for what models do to level recordings: values "
                f"shift; raise it first: ffmpeg -i FILE -af volume={-6 - peak:.0f}dB -c:a pcm_f32le OUT.wav"
            )

    def _offset(self) -> Iterator[str]:
        offset, sound = self._mean / self.divisor, self._sound
        if abs(offset) >= max(OFFSET, OFFSET_SHARE * sound) and self._peak <= FLOAT_PEAK:
            yield (
                f"it has a constant offset of {100 * offset:+.1f} % of full scale, where its sound has an RMS of "
                f"{100 * sound:.1f} %; take it out: ffmpeg -i FILE -af highpass=f=20 OUT.wav"
            )

    @property
    def _mean(self) -> float:
        return self._sum / max(1, self._count)

    @property
    def _sound(self) -> float:
        """RMS of what is heard, without its constant offset."""
        return math.sqrt(max(0.0, self._energy / max(1, self._count) - self._mean**2)) / self.divisor


def silent_windows(signal: Signal, grid: WindowGrid) -> BoolArray:
    """(count,) bool: windows whose frame is digital silence, or below `SILENCE_DB`; a constant offset is no sound.

    They are `RANGE_DB` below the loudest sample, too, unless the whole recording is as soft. One pass over the signal,
    block by block. Frames with NaN or infinite samples, or after the signal's end, are not silent: nobody knows.
    """
    per_ms = samples_per_ms(signal.rate)
    starts = np.arange(grid.count) * grid.stride_ms
    bounds = np.minimum([starts, starts + grid.frame_ms], -(-signal.samples // per_ms))
    found = np.zeros((2, *bounds.shape))  # sums of samples and of their squares, before each start and each end
    total, begin, bad, low, high = np.zeros((2, 1)), 0, 0, math.inf, -math.inf
    for block in signal.blocks():
        powers = np.zeros((2, -(-len(block) // per_ms) * per_ms))
        powers[:, : len(block)] = block
        np.square(powers[1], out=powers[1])
        unknown = np.flatnonzero(~np.isfinite(powers[1]))
        powers[:, unknown] = [[0], [1]]  # a power that makes no window silent
        bad += len(unknown)
        low, high = min(low, powers[0].min()), max(high, powers[0].max())
        steps = powers.reshape(2, -1, per_ms) @ np.ones(per_ms)
        running = np.cumsum(np.concatenate([total, steps], axis=1), axis=1)
        end = begin + steps.shape[1]
        for column, places in enumerate(bounds):
            rows = slice(np.searchsorted(places, begin), np.searchsorted(places, end, "right"))
            found[:, column, rows] = running[:, places[rows] - begin]
        total, begin = running[:, -1:], end
    counts = np.diff(np.minimum(bounds * per_ms, signal.samples), axis=0)[0]
    means, squares = (found[:, 1] - found[:, 0]) / np.maximum(1, counts)
    mean, square = (total[:, 0] - [0, bad]) / max(1, signal.samples - bad)
    level = 10 ** (SILENCE_DB / 10)
    if square - mean**2 >= level:
        level = min(level, max(high - mean, mean - low) ** 2 * 10 ** (-RANGE_DB / 10))
    return np.asarray((counts > 0) & (squares - means**2 < level))


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
