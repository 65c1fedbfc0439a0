"""Whisper's encoder, to learn from (Radford et al. 2022; base, MIT): it heard 680,000 hours of people.

It gives 512 numbers for every 20 ms, as often as a wav2vec 2.0 does. Which sound is said can be read from them, of
whoever says it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from novaspeech.arrays import FloatArray
from training.corpus import Speech
from training.kept import kept
from training.letters import HOP
from training.people import whisper
from training.speech import RATE

WIDTH = 512
_SECONDS = 30  # that it hears at once
FRAMES = _SECONDS * RATE // HOP
_GAP = RATE // 5 // HOP  # frames between utterances that it hears at once
_MOST = 25  # standard deviations, of what is kept


class Listener:
    """Signals (N,) of at most 30 s → (1500, 512): 50 rows a second."""

    def __init__(self, packages: Path) -> None:
        self._model: Any = whisper(packages)

    def __call__(self, signal: FloatArray) -> FloatArray:
        padded = np.zeros(_SECONDS * RATE, np.float32)
        padded[: len(signal)] = signal
        mels = self._model.feature_extractor(padded)[:, : _SECONDS * 100]
        return np.asarray(self._model.encode(mels), np.float32).reshape(-1, WIDTH)


def taught(listener: Callable[[FloatArray], FloatArray], speech: Sequence[Speech], folder: Path) -> list[Speech]:
    """Speech with what the listener makes of it: each of the 512 numbers with mean 0 and deviation 1.

    Args:
        listener: a `Listener`.
        folder: where what is found is kept; of the same samples nothing is listened to again.
    """
    if not speech:
        return []
    counts = list(map(_frames, speech))
    said = sum(len(one.samples) for one in speech)
    rows = kept(folder / f"listened-{said}.npy", lambda: _listened(listener, speech))
    ends = itertools.accumulate(counts)
    return [replace(one, taught=rows[end - count : end]) for one, count, end in zip(speech, counts, ends, strict=True)]


def _listened(listener: Callable[[FloatArray], FloatArray], speech: Sequence[Speech]) -> np.ndarray:
    found = np.concatenate([_heard(listener, some) for some in _put_together(speech)])
    found = (found - found.mean(axis=0)) / found.std(axis=0)
    return np.asarray(found.clip(-_MOST, _MOST), np.float16)


def _frames(speech: Speech) -> int:
    return min(len(speech.samples) // HOP, FRAMES)


def _put_together(speech: Sequence[Speech]) -> list[list[FloatArray]]:
    """Signals of whole frames, in groups that are heard at once: else it would mostly hear silence."""
    groups: list[list[FloatArray]] = []
    filled = FRAMES
    for one in speech:
        frames = _frames(one)
        if filled + frames > FRAMES:
            groups.append([])
            filled = 0
        groups[-1].append(one.signal[: frames * HOP])
        filled += frames + _GAP
    return groups


def _heard(listener: Callable[[FloatArray], FloatArray], signals: Sequence[FloatArray]) -> FloatArray:
    """The rows of all signals, without those of the gaps between them."""
    gap = np.zeros(_GAP * HOP, np.float32)
    rows = listener(np.concatenate([piece for signal in signals for piece in (signal, gap)])[: FRAMES * HOP])
    starts = np.cumsum([0, *(len(signal) // HOP + _GAP for signal in signals)])
    return np.concatenate(
        [rows[start : start + len(signal) // HOP] for start, signal in zip(starts, signals, strict=False)]
    )
