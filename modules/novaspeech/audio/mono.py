"""A recording's channels → one signal at the model's rate: the channels' mean, or one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeAlias

import numpy as np
import soxr

from novaspeech.arrays import FloatArray, bridged, runs
from novaspeech.audio.levels import Levels
from novaspeech.errors import RecordingError
from novaspeech.hooks import Log, Progress

MIX = "mix"
Channel: TypeAlias = "str | int"  # MIX, or the number of one, from 1 on
LOUDEST = 2.0**31  # maximum amplitude; full scale is 1, or up to 2**31 for whole numbers that nobody scaled


class Source(Protocol):
    """A source of samples: a file, or an array.

    Attributes:
        rate: samples per second, in Hz.
        channels: number of channels.
        seconds: stated length; 0 if none is stated.
    """

    rate: int
    channels: int

    @property
    def seconds(self) -> float: ...

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32. Raises RecordingError if the file is damaged."""


class Mono:
    """A source as one signal. Only the whole source tells which channels hold sound, and so what the mean is.

    A channel without any sound (NaN or digital silence throughout) does not count in the mean.

    Args:
        rate: sampling rate of the signal, in Hz.
        channel: `MIX`, or the number of one channel.
        name: the recording's name, for messages.

    Attributes:
        taken: samples per channel of the source so far.

    Raises:
        RecordingError: the source has no such channel.
    """

    def __init__(self, source: Source, rate: int, channel: Channel, name: str) -> None:
        channels = source.channels
        if channel != MIX and not 1 <= int(channel) <= channels:
            count = "1 channel" if channels == 1 else f"{channels} channels"
            raise RecordingError(f"{name} has {count}; option 'channel' is {channel}; it may be mix or 1 to {channels}")
        self._source, self._rate, self._name = source, rate, name
        self._only = int(channel) - 1 if channel != MIX else 0 if channels == 1 else None
        self._finite = np.zeros(channels, bool)
        self._levels = Levels(channels if self._only is None else 1)
        self.taken = self._given = self._blank = 0

    def pieces(self, reading: Progress) -> Iterator[FloatArray]:
        """Consecutive pieces (n,) of the signal, which `divisor` makes the mean.

        soxr's HQ resamples: the same numbers as from one call on the whole signal. NaN and infinite samples become NaN
        at the same time, and disturb no others.

        Args:
            reading: see `Recording.open`.

        Raises:
            RecordingError: the source is damaged, or holds finite numbers above `LOUDEST`.
        """
        source, rate = self._source, self._rate
        resampler = None
        if source.rate != rate:
            resampler = soxr.ResampleStream(source.rate, rate, 1, dtype="float32", quality="HQ")
        spans = _BadSpans(source.rate, rate)
        for block in source.blocks():
            channels, mixed = self._mixed(block) if self._only is None else (None, _column(block, self._only))
            intact = spans.take(mixed)
            self._levels.take(intact[None] if channels is None else channels, intact)
            self.taken += len(block)
            reading(self.taken * 1000 // source.rate, int(1000 * source.seconds))
            yield self._checked(spans.restore(resampler.resample_chunk(intact) if resampler else intact))
        if resampler:
            yield self._checked(spans.restore(resampler.resample_chunk(np.zeros(0, np.float32), last=True)))

    def divisor(self, log: Log) -> int:
        """Number of channels with sound, of which the sum of all becomes the mean; at the end of the pieces.

        Args:
            log: takes a line about levels that harm what is heard.
        """
        if remarks := self._levels.remarks(self._name):
            log(remarks)
        return self._levels.divisor

    @property
    def blank(self) -> int:
        """Number of the signal's first samples that prove unusable: a channel that counts is NaN there."""
        if self._only is None and not self._finite.any():
            return self._given
        return self._blank * self._rate // self._source.rate

    def _mixed(self, block: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The channels of a block (n, channels) as rows of finite samples, and their sum (n,)."""
        rows = np.ascontiguousarray(block.T)  # NumPy adds long rows ten times as fast as short ones
        finite = np.isfinite(rows)
        sound = rows if finite.all() else np.where(finite, rows, 0)
        begins = finite.any(axis=1) & ~self._finite
        if begins.any():
            self._finite |= begins
            self._blank = self.taken
        # A channel of nothing but NaN so far is silent.
        counting = np.where(self._finite[:, None], rows, 0) if sound is not rows else rows
        return sound, np.add.reduce(counting, axis=0)

    def _checked(self, piece: FloatArray) -> FloatArray:
        """The same piece; RecordingError for numbers that would become infinite in a model."""
        level = np.abs(piece)
        if len(level) and np.nanmax(level, initial=0) > LOUDEST:
            place = int(np.nanargmax(level))
            raise RecordingError(
                f"{self._name} holds the number {piece[place]:g} at {(self._given + place) / self._rate:.3f} s, where "
                "sound has -1 to 1: it is damaged there; silence that place in an audio editor, or cut it out"
            )
        self._given += len(piece)
        return piece


def _column(block: FloatArray, index: int) -> FloatArray:
    return np.ascontiguousarray(block[:, index])


class _BadSpans:
    """Carries NaN and infinite samples past the resampler, which would smear them over thousands of others."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._rates = rate_in, rate_out
        self._taken = self._given = 0
        self._spans: list[tuple[int, int]] = []  # (begin, end) in samples of the output, not given yet

    def take(self, mono: FloatArray) -> FloatArray:
        """Notes the bad samples of the next input (n,), and returns it with those bridged."""
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
