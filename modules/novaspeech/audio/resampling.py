"""Resampling of a mono signal; bad samples keep their times."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr

from novaspeech.arrays import FloatArray, bridged, runs
from novaspeech.errors import RecordingError

LOUDEST = 2.0**31  # maximum amplitude; full scale is 1, or up to 2**31 for whole numbers that nobody scaled


def resampled(mono: Iterator[FloatArray], rate_in: int, rate_out: int) -> Iterator[FloatArray]:
    """Consecutive pieces (n,) at another rate, by soxr's HQ: the same numbers as from one call on the whole signal.

    NaN and infinite samples become NaN at the same time, and disturb no others.
    """
    resampler = None
    if rate_in != rate_out:
        resampler = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")
    spans = _BadSpans(rate_in, rate_out)
    for block in mono:
        intact = spans.take(block)
        yield spans.restore(resampler.resample_chunk(intact) if resampler else intact)
    if resampler:
        yield spans.restore(resampler.resample_chunk(np.zeros(0, np.float32), last=True))


def check_amplitude(pieces: Iterator[FloatArray], rate: int, name: str) -> Iterator[FloatArray]:
    """Passes pieces on, and refuses finite numbers above `LOUDEST`, which would become infinite in a model."""
    done = 0
    for piece in pieces:
        level = np.abs(piece)
        if len(level) and np.nanmax(level, initial=0) > LOUDEST:
            place = int(np.nanargmax(level))
            raise RecordingError(
                f"{name} holds the number {piece[place]:g} at {(done + place) / rate:.3f} s, where sound has -1 to 1: "
                "it is damaged there; silence that place in an audio editor, or cut it out"
            )
        done += len(piece)
        yield piece


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
