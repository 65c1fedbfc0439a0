"""Digits by people: by one example, and by a classifier, always of other speakers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import librosa
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.people_parts.encoders import load, mfcc
from benchmarks.people_parts.material import RATE, Utterance, digits
from benchmarks.record import Cell
from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording
from wav2vec2_kws.encoder import hidden_states
from wav2vec2_kws.search.example import PENALTIES, STEPS, WEIGHTS

Frames = Callable[[FloatArray], FloatArray]  # a signal → (frames, D)


def by_keywords(place: str, layer: int) -> Frames:
    """Hidden states of wav2vec2_kws."""
    model = load("wav2vec2_kws", place, {"layer": layer})
    inference = model.processor.inference()
    return lambda signal: hidden_states(Recording.of_samples(signal, RATE, "digit"), inference)


def by_mfcc(signal: FloatArray) -> FloatArray:
    """Every other frame of MFCCs without the first, each with mean 0 and deviation 1."""
    frames = mfcc(signal)[::2, 1:]
    return np.asarray((frames - frames.mean(0)) / (frames.std(0) + 1e-6))


def report(folder: Path, encoders: Mapping[str, Frames]) -> list[list[Cell]]:
    """A table, heads first: how many digits are recognised by their nearest neighbour, and by a linear classifier."""
    spoken = digits(folder)
    rows: list[list[Cell]] = [["frames", "nearest by warping", "linear classifier"]]
    for name, frames in encoders.items():
        found = [frames(utterance.signal) for utterance in spoken]
        shares = (f"{100 * share(spoken, found):.1f} %" for share in (_nearest, _classified))
        rows.append([name, *shares])
    return rows


def _nearest(spoken: Sequence[Utterance], found: Sequence[FloatArray]) -> float:
    """Share of digits whose nearest example by another speaker is the same digit."""
    right = 0
    for index, utterance in enumerate(spoken):
        others = [other for other, one in enumerate(spoken) if one.speaker != utterance.speaker]
        distances = [_warped(found[other], found[index]) for other in others]
        right += spoken[others[int(np.argmin(distances))]].label == utterance.label
    return right / len(spoken)


def _warped(example: FloatArray, frames: FloatArray) -> float:
    """Mean cosine distance along the best path, as `ExampleDetector` has it, from one end to the other."""
    mean = example.mean(axis=0)
    one, other = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (example - mean, frames - mean))
    if len(other) * 2 <= len(one) or len(one) * 2 <= len(other):
        return np.inf  # no path is that steep
    costs = librosa.sequence.dtw(
        C=(1 - one @ other.T).astype(np.float64),
        step_sizes_sigma=STEPS,
        weights_mul=WEIGHTS,
        weights_add=PENALTIES,
        backtrack=False,
    )
    return float(costs[-1, -1]) / len(one)


def _classified(spoken: Sequence[Utterance], found: Sequence[FloatArray]) -> float:
    """Share recognised by logistic regression of the means of three thirds, trained on the other speakers."""
    vectors = [np.concatenate([part.mean(axis=0) for part in np.array_split(frames, 3)]) for frames in found]
    labels = np.array([utterance.label for utterance in spoken])
    speakers = [utterance.speaker for utterance in spoken]
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.1))
    guessed = cross_val_predict(probe, np.array(vectors), labels, groups=speakers, cv=LeaveOneGroupOut())
    return float(np.mean(guessed == labels))
