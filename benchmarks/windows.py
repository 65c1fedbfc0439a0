"""Windows of a signal at 16 kHz, cut one by one, and encoded with everything around the encoder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from functools import partial

from novaspeech.arrays import FloatArray
from novaspeech.audio.grid import WindowGrid, samples_per_ms
from novaspeech.audio.recording import Recording
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.engine import Inference

RATE = 16000


def cut(signal: FloatArray, length: int, hop: int) -> list[FloatArray]:
    """The windows of `length` samples, one every `hop`, that lie in a signal (N,)."""
    return [signal[start : start + length] for start in range(0, len(signal) - length + 1, hop)]


def encoding(
    encoder: Encoder, signal: FloatArray, length: int, hop: int, names: Collection[str], batch: int, once: bool = False
) -> Callable[[], dict[str, FloatArray]]:
    """What encodes these windows of a signal (N,): name of each output → (count, D).

    Args:
        length, hop: in samples, whole milliseconds.
        names: the outputs wanted.
        batch: the most windows in one pass.
        once: whether the signal is encoded once, and windows pool its frames.
    """
    per_ms = samples_per_ms(RATE)
    # No left context: window i begins at i * hop, and the last lies in the signal as a whole.
    grid = WindowGrid(length // per_ms, hop // per_ms, 0, 0, (len(signal) - length) // hop + 1)
    recording = Recording.of_samples(signal, RATE, "noise")
    inference = Inference(
        encoder, batch, log=partial(print, file=sys.stderr), context="recording" if once else "window"
    )

    def run() -> dict[str, FloatArray]:
        return {name: found.values for name, found in inference.encode(recording, grid, names).items()}

    return run
