"""Are two recordings of one speaker: equal error rates on people, as they are and as a room or a line leaves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soxr
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from benchmarks.people_parts.encoders import Embed, load, mfcc_statistics, unit
from benchmarks.people_parts.material import RATE, training_speakers, trials
from benchmarks.record import Cell
from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording
from training.speech import with_noise
from wav2vec2_sv.commands import WINDOW_MS
from wav2vec2_sv.encoder import speaker_of
from wav2vec2_sv.trials import equal_error_rate, error_rates

_PIECE = 3 * RATE  # samples of what a discriminant is trained on
_TARGETS = 0.05  # share of trials of one speaker, in the detection cost of NIST's evaluations


def _cut(seconds: float) -> Callable[[FloatArray], FloatArray]:
    """The middle of a recording."""

    def cut(signal: FloatArray) -> FloatArray:
        start = max(0, (len(signal) - round(seconds * RATE)) // 2)
        return signal[start : start + round(seconds * RATE)]

    return cut


def _noisy(snr_db: float) -> Callable[[FloatArray], FloatArray]:
    return lambda signal: with_noise(signal, snr_db, np.random.default_rng(len(signal)))


def _narrow(signal: FloatArray) -> FloatArray:
    narrow = soxr.resample(signal, RATE, RATE // 2)
    return np.asarray(soxr.resample(narrow, RATE // 2, RATE), np.float32)


# What is done to the second recording of each trial; cuts are of both.
CONDITIONS: Mapping[str, tuple[Callable[[FloatArray], FloatArray], bool]] = {
    "clean": (lambda signal: signal, False),
    "noise 20 dB": (_noisy(20), False),
    "noise 10 dB": (_noisy(10), False),
    "3 s": (_cut(3), True),
    "1 s": (_cut(1), True),
    "8 kHz": (_narrow, False),
}


def by_verify(place: str) -> Embed:
    """The vectors that `novaspeech verify` compares."""
    inference = load("wav2vec2_sv", place).processor.inference()

    def embed(signals: Sequence[FloatArray]) -> FloatArray:
        recordings = [Recording.of_samples(signal, RATE, "utterance") for signal in signals]
        return np.array([speaker_of(one, inference, min(WINDOW_MS, one.duration_ms)) for one in recordings])

    return embed


def discriminant(folder: Path) -> Embed:
    """A linear discriminant (Fisher 1936) of MFCC statistics, trained on pieces of 251 other speakers."""
    pieces, owners = [], []
    for utterance in training_speakers(folder):
        for start in range(0, len(utterance.signal) - _PIECE + 1, _PIECE):
            pieces.append(utterance.signal[start : start + _PIECE])
            owners.append(utterance.speaker)
    scaler = StandardScaler()
    vectors = scaler.fit_transform(mfcc_statistics(pieces))
    analysis = LinearDiscriminantAnalysis().fit(vectors, owners)
    return lambda signals: np.asarray(analysis.transform(scaler.transform(mfcc_statistics(signals))), np.float32)


def standardised(folder: Path) -> Embed:
    """MFCC statistics of which each has mean 0 and deviation 1 over other speakers."""
    scaler = StandardScaler().fit(mfcc_statistics([utterance.signal for utterance in training_speakers(folder)]))
    return lambda signals: np.asarray(scaler.transform(mfcc_statistics(signals)), np.float32)


def report(folder: Path, encoders: Mapping[str, Embed]) -> list[list[Cell]]:
    """A table, heads first: equal error rate and least detection cost under each condition."""
    pairs, recordings = trials(folder)
    names = list(recordings)
    rows: list[list[Cell]] = [["encoder", *CONDITIONS]]
    for encoder, embed in encoders.items():
        cells = []
        clean = dict(zip(names, unit(embed([recordings[name] for name in names])), strict=True))
        for change, both in CONDITIONS.values():
            vectors = unit(embed([change(recordings[name]) for name in names]))
            changed = dict(zip(names, vectors, strict=True))
            cells.append(_errors(pairs, changed if both else clean, changed))
        rows.append([encoder, *cells])
    return rows


def _errors(
    pairs: Sequence[tuple[bool, str, str]], first: Mapping[str, FloatArray], second: Mapping[str, FloatArray]
) -> str:
    scores = np.array([first[one] @ second[other] for _, one, other in pairs], np.float64)
    thresholds, misses, alarms = error_rates(scores, np.array([same for same, *_ in pairs]))
    rate, _ = equal_error_rate(thresholds, misses, alarms)
    cost = np.min(_TARGETS * misses + (1 - _TARGETS) * alarms) / _TARGETS
    return f"{100 * rate:.1f} % ({cost:.2f})"
