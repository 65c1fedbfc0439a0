"""A spoken example, its sound, and how it is found again by subsequence dynamic time warping."""

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

SILENCE = 1e-4  # peak of a recording that holds nothing: -80 dB of full scale
EDGE_DB = 40  # sound at an example's ends counts as silence when it is so far below the peak
# A path is half to twice as fast as the example (Müller 2015, Fundamentals of Music Processing, 3.2.1). With these
# weights each frame of the example counts once.
STEPS = np.array([[1, 1], [1, 2], [2, 1]])
WEIGHTS = np.array([1.0, 1.0, 2.0])
PENALTIES = np.array([0.0, 0.1, 0.1])  # distance added by warping, so that edges are not left out for a little gain
LONGEST_MS = 10_000  # length of the longest example
UNUSABLE = 1e6  # distance to unusable frames, which no path may pass


class ExampleDetector:
    """Stretches of a recording whose hidden states are like an example's.

    Their score is 1 - mean cosine distance along the best warped path. The example's mean is subtracted from both
    first. Each local optimum is a hit. A path is at most twice as long as the example, and as many frames are carried
    over from block to block, so that blocks have no seams.

    Args:
        example: hidden states (M, D) of the example.
    """

    reads = HIDDEN

    def __init__(self, name: str, example: FloatArray) -> None:
        self._name = name
        # Hidden states have much in common, whatever is said, which would make all of them alike.
        self._mean = example.mean(axis=0)
        self._example = _unit(example - self._mean)
        self._held = np.zeros((0, example.shape[1]), np.float32)
        self._first = 0  # frame of `_held[0]`
        self._next = 0  # first frame that is not searched for the end of a hit yet

    def add(self, block: FrameBlock) -> Iterator[Hit]:
        frames = _unit(block.array(HIDDEN) - self._mean)
        frames[~block.usable] = 0
        self._held = np.concatenate([self._held, frames])
        count, shortest = len(self._held), len(self._example)
        if count >= shortest:
            yield from self._search(block.last)
        # A local optimum has two neighbours, hence one frame more at each end.
        keep = 2 * shortest + 2
        if count > keep:
            self._first += count - keep
            self._held = self._held[-keep:]

    def _search(self, last: bool) -> Iterator[Hit]:
        distances = (1 - self._example @ self._held.T).astype(np.float64)
        distances[:, ~self._held.any(axis=1)] = UNUSABLE
        costs, steps = librosa.sequence.dtw(
            C=distances, subseq=True, step_sizes_sigma=STEPS, weights_mul=WEIGHTS, weights_add=PENALTIES,
            backtrack=False, return_steps=True,
        )  # fmt: skip
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


def is_silent(signal: FloatArray) -> bool:
    """Whether a signal (N,) holds nothing but silence; a constant offset is no sound."""
    return bool(np.abs(signal - signal.mean()).max() < SILENCE)


def sounding_part(signal: FloatArray, encoder: FrameEncoder) -> tuple[int, int]:
    """Samples [start, end) of a signal (N,) at the encoder's rate, without the silence at its ends."""
    _, (start, end) = librosa.effects.trim(
        signal - signal.mean(), top_db=EDGE_DB, frame_length=encoder.frame_length, hop_length=encoder.frame_hop
    )
    return int(start), int(end)


def example_frames(recording: Recording, inference: Inference) -> FloatArray:
    """Hidden states (M, D) of a spoken example, without the silence at its ends.

    Raises:
        RequestError: the example is too long, silent, shorter than 2 frames, or holds NaN or infinite samples.
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
