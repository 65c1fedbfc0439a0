"""The channels of a recording as one signal: their mean, or one of them."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.errors import RecordingError
from novaspeech.hooks import Log

MIX = "mix"
Channel: TypeAlias = "str | int"  # MIX, or the number of one, from 1 on
CANCELLED_DB = 20  # minimum loss by mixing that is reported


class Mixer:
    """Mixes blocks of all channels into one signal. Only the whole recording tells which channels hold sound.

    A channel without any sound (NaN or digital silence throughout) does not count in the mean.

    Args:
        channel: `MIX`, or the number of one channel.
        channels: number of channels.
        name: the recording's name, for messages.

    Attributes:
        blank: number of first samples that prove unusable: a channel that counts is NaN there.

    Raises:
        RecordingError: the recording has no such channel.
    """

    def __init__(self, channel: Channel, channels: int, name: str) -> None:
        if channel != MIX and not 1 <= int(channel) <= channels:
            count = "1 channel" if channels == 1 else f"{channels} channels"
            raise RecordingError(f"{name} has {count}; option 'channel' is {channel}; it may be mix or 1 to {channels}")
        self._channel, self._name = channel, name
        self._alone = channels == 1 or channel != MIX
        self._finite, self._sounds = np.zeros(channels, bool), np.zeros(channels, bool)
        self._energies, self._energy = np.zeros(channels), 0.0
        self._taken = self.blank = 0

    def mix(self, block: FloatArray) -> FloatArray:
        """The sum (n,) of the channels of the next block (n, channels), which `divisor` makes their mean."""
        if self._alone:
            return np.ascontiguousarray(block[:, 0 if self._channel == MIX else int(self._channel) - 1])
        rows = np.ascontiguousarray(block.T)  # NumPy adds long rows ten times as fast as short ones
        finite = np.isfinite(rows)
        sound = rows if finite.all() else np.where(finite, rows, 0)
        begins = finite.any(axis=1) & ~self._finite
        if begins.any():
            self._finite |= begins
            self.blank = self._taken
        self._taken += len(block)
        # A channel of nothing but NaN so far is silent.
        mixed: FloatArray = np.add.reduce(
            np.where(self._finite[:, None], rows, 0) if sound is not rows else rows, axis=0
        )
        self._sounds |= sound.any(axis=1)
        self._energies += np.einsum("cn,cn->c", sound, sound, dtype=np.float64)
        intact = np.nan_to_num(mixed, nan=0.0, posinf=0.0, neginf=0.0)
        self._energy += float(np.einsum("n,n->", intact, intact, dtype=np.float64))
        return mixed

    def divisor(self, log: Log) -> int:
        """Number of channels with sound, of which the sum of all becomes the mean.

        Args:
            log: takes a line if mixing cancels most of what the channels hold.
        """
        count = int(self._sounds.sum())
        if self._alone or not count:
            return 1
        held, kept = float(self._energies.sum()) / count, self._energy / count**2
        if count > 1 and kept < held * 10 ** (-CANCELLED_DB / 10):
            lost = f"{10 * math.log10(held / kept):.0f} dB of what they hold" if kept else "all that they hold"
            log(
                f"{self._name}: mixing its {len(self._sounds)} channels cancels {lost}, as if one were another turned "
                "over; take one of them: channel=1"
            )
        return count

    @property
    def nothing(self) -> bool:
        """Whether no channel has a usable sample."""
        return not self._alone and not self._finite.any()
