"""A spoken example, found again by subsequence dynamic time warping."""

from __future__ import annotations

from collections.abc import Iterator

import librosa
import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording
from novaspeech.errors import RequestError
from novaspeech.inference.encoder import FrameEncoder
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import HIDDEN, FrameBlock
from wav2vec2_kws.encoder import hidden_states
from wav2vec2_kws.hits import Hit
from wav2vec2_kws.search.silence import is_silent, sounding_part

# Half to twice as fast as the example (Müller 2015, Fundamentals of Music Processing, 3.2.1); weighted such that each
# frame of the example counts once.
STEPS = np.array([[1, 1], [1, 2], [2, 1]])
WEIGHTS = np.array([1.0, 1.0, 2.0])
PENALTIES = np.array([0.0, 0.1, 0.1])  # distance that warping costs, so that edges are not left out for a little gain
LONGEST_MS = 10_000
UNUSABLE = 1e6  # distance of frames that no path may pass


class ExampleDetector:
    """Places whose hidden states are like an example's: 1 - mean cosine distance along the best warped path, both less
    the example's mean.

    Each local optimum is a hit. A path is at most twice as long as the example, so that as many frames are carried
    over from block to block: blocks have no seams.

    Args:
        name: the keyword's name.
        example: (M, D), its hidden states.
    """

    reads = HIDDEN

    def __init__(self, name: str, example: FloatArray) -> None:
        self._name = name
        # Hidden states have much in common, whatever is said, which would make all of them alike.
        self._mean = example.mean(axis=0)
        self._example = _unit(example - self._mean)
        self._held = np.zeros((0, example.shape[1]), np.float32)
        self._first = 0  # frame of _held[0]
        self._next = 0  # first frame that no hit may have ended with so far

    def add(self, block: FrameBlock) -> Iterator[Hit]:
        frames = _unit(block.array(HIDDEN) - self._mean)
        frames[~block.usable] = 0
        self._held = np.concatenate([self._held, frames])
        count, shortest = len(self._held), len(self._example)
        if count >= shortest:
            yield from self._search(block.last)
        # One frame more at each end, since a local optimum has two neighbours.
        keep = 2 * shortest + 2
        if count > keep:
            self._first += count - keep
            self._held = self._held[-keep:]

    def _search(self, last: bool) -> Iterator[Hit]:
        distances = (1 - self._example @ self._held.T).astype(np.float64)
        distances[:, ~self._held.any(axis=1)] = UNUSABLE
        costs, steps = librosa.sequence.dtw(
            C=distances,
            subseq=True,
            step_sizes_sigma=STEPS,
            weights_mul=WEIGHTS,
            weights_add=PENALTIES,
            backtrack=False,
            return_steps=True,
        )
        scores = 1 - costs[-1] / len(self._example)
        around = np.concatenate([[-np.inf], scores, [-np.inf]])
        peaks = (scores > around[:-2]) & (scores >= around[2:]) & (scores > 0)
        until = len(scores) - (0 if last else 1)
        for end in np.flatnonzero(peaks[:until]):
            if self._first + end >= self._next:
                path = librosa.sequence.dtw_backtracking(steps, step_sizes_sigma=STEPS, subseq=True, start=int(end))
                yield Hit(
                    self._name, self._first + int(path[-1, 1]), self._first + int(end) + 1, min(1.0, float(scores[end]))
                )
        self._next = self._first + until


def example_frames(recording: Recording, inference: Inference) -> FloatArray:
    """Hidden states (M, D) of a spoken example, without the silence at its ends.

    Args:
        inference: of a `KeywordEncoder`.

    Raises:
        RequestError: it is too long, silent, holds NaN or infinite samples, or less than 2 frames.
    """
    if recording.duration_ms > LONGEST_MS:
        raise RequestError(
            f"{recording.name} has {recording.duration_ms / 1000:.1f} s; an example of a keyword is at most "
            f"{LONGEST_MS // 1000} s of one word or phrase"
        )
    encoder = inference.encoder
    assert isinstance(encoder, FrameEncoder)
    signal = recording.signal.read(0, recording.signal.samples)
    if not np.isfinite(signal).all():
        raise RequestError(f"{recording.name} holds NaN or infinite samples; an example must be intact")
    if is_silent(signal):
        raise RequestError(f"{recording.name} is silent; an example must hold the keyword as somebody says it")
    start, end = sounding_part(signal, encoder)
    frames = hidden_states(recording, inference)
    part = frames[start // encoder.frame_hop : max(1, -(-end // encoder.frame_hop))]
    if len(part) < 2:
        raise RequestError(
            f"{recording.name} holds less than {2 * encoder.frame_hop * 1000 // encoder.sampling_rate} ms of sound"
        )
    return np.asarray(part)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)
