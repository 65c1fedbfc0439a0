"""A keyword classifier on frozen hidden states: its features, its file, and its use on a recording."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.errors import RequestError, WeightsError, first_line, quoted, shortened
from novaspeech.inference.pooling import HIDDEN, FrameBlock
from novaspeech.saving import whole
from novaspeech.wording import advice
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.hits import Hit

BACKGROUND = "_background"  # name of the class of everything else
PARTS = 4  # parts of a window that are pooled one by one, so that the order of sounds counts
STEP = 2  # frames from one window to the next
LARGEST_MB = 512  # size of an unpacked file (1 MB is 1e6 bytes); a forest of thousands of examples has tens of MB
LOWEST = 0.05  # lowest probability of a hit that is reported
# Types of scikit-learn in our files that skops does not trust by itself.
_TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
)


@dataclass(frozen=True)
class KeywordClassifier:
    """A trained classifier and the model that it belongs to.

    Attributes:
        pipeline: pipeline of scikit-learn, (n, PARTS * D) → probabilities.
        keywords: name → frames that the keyword usually takes.
        model: id or folder of the model, for messages.
        fingerprint: digits that stand for the model's weights.
    """

    pipeline: Any
    keywords: dict[str, int]
    window: int
    layer: int
    model: str
    fingerprint: str

    def save(self, file: Path) -> None:
        """Writes a file of skops: a zip of JSON and arrays, no pickle."""
        import skops.io

        with whole(file) as part:
            skops.io.dump(dict(vars(self)), part)


def load_classifier(file: Path, encoder: KeywordEncoder) -> KeywordClassifier:
    """A classifier from its file.

    Raises:
        RequestError: the classifier was trained with another model or layer.
        WeightsError: the file cannot be read, would unpack to more than `LARGEST_MB`, or is not one of ours.
    """
    classifier = read_classifier(file)
    if classifier.fingerprint != encoder.fingerprint:
        raise RequestError(
            f"{file} was trained with the model {quoted(classifier.model)}, whose weights are others; "
            f"{advice('model', shortened(classifier.model))}, or train a classifier for this one"
        )
    if classifier.layer != encoder.layer:
        raise RequestError(
            f"{file} was trained on layer {classifier.layer}, not {encoder.layer}; "
            f"{advice('layer', str(classifier.layer))}"
        )
    return classifier


def read_classifier(file: Path) -> KeywordClassifier:
    """The classifier in a file, which must hold types of ours only; WeightsError if it cannot be read."""
    import skops.io  # 1.7 s with scikit-learn, which most jobs do not need

    if not file.is_file():
        raise WeightsError(f"there is no classifier {quoted(str(file))}; `novaspeech train-keywords` writes one")
    try:
        with zipfile.ZipFile(file) as archive:
            # zipfile unpacks no more of an entry than is stated here.
            size = sum(entry.file_size for entry in archive.infolist()) / 1e6
            if size > LARGEST_MB:
                raise WeightsError(
                    f"{file} would unpack to {size:.0f} MB, more than the {LARGEST_MB} MB that a classifier may have; "
                    f"it was not unpacked"
                )
        foreign = sorted(set(skops.io.get_untrusted_types(file=file)) - set(_TRUSTED))
        if not foreign:
            return KeywordClassifier(**skops.io.load(file, trusted=list(_TRUSTED)))
    except WeightsError:
        raise
    except Exception as error:  # zip, JSON, skops and scikit-learn each have their own
        raise WeightsError(
            f"{file} is no whole classifier of `novaspeech train-keywords`: {first_line(error)}"
        ) from error
    raise WeightsError(
        f"{file} holds {quoted(', '.join(foreign[:3]))}, which no file of `novaspeech train-keywords` does"
    )


def pool_windows(frames: FloatArray, window: int, step: int = STEP) -> FloatArray:
    """Features of windows (n, PARTS * D): the means of a window's parts, one after the other.

    Args:
        frames: (F, D) hidden states, F at least `window`.
    """
    sums = np.concatenate([np.zeros((1, frames.shape[1])), np.cumsum(frames, axis=0, dtype=np.float64)])
    starts = np.arange(0, len(frames) - window + 1, step)
    edges = np.linspace(0, window, PARTS + 1).round().astype(int)
    parts = [(sums[starts + end] - sums[starts + begin]) / (end - begin) for begin, end in itertools.pairwise(edges)]
    return np.concatenate(parts, axis=1).astype(np.float32)


class ClassifierDetector:
    """Sliding windows, classified: a hit where a keyword's probability has its local maximum.

    A hit lies in the window's middle and is as long as the keyword usually is. Frames that windows need are carried
    over from block to block, so that blocks have no seams. Windows that hold unusable frames are background.
    """

    reads = HIDDEN

    def __init__(self, classifier: KeywordClassifier) -> None:
        self._classifier = classifier
        self._classes: list[str] = list(classifier.pipeline.classes_)
        self._held: list[FloatArray] = []  # one array (F, D) of frames that windows still need
        self._bad = np.zeros(0, bool)
        self._total = 0  # number of frames so far
        self._centre = 0  # frame in the middle of the next window
        self._recent = np.zeros((2, len(self._classes)))  # probabilities of the last two windows

    def add(self, block: FrameBlock) -> Iterator[Hit]:
        frames, bad = block.array(HIDDEN), ~block.usable
        window = self._classifier.window
        # The recording's first and last frame stand for half a window beyond its ends.
        before = 0 if self._held else window // 2
        after = window - window // 2 - 1 if block.last else 0
        self._held += [np.repeat(frames[:1], before, axis=0), frames, np.repeat(frames[-1:], after, axis=0)]
        self._held = [np.concatenate(self._held)]
        self._bad = np.concatenate([self._bad, np.zeros(before, bool), bad, np.zeros(after, bool)])
        self._total = block.first + len(frames)
        probabilities = self._classify(window)
        done = len(probabilities) * STEP
        self._held, self._bad = [self._held[0][done:]], self._bad[done:]
        ends = np.zeros((1, len(self._classes))) if block.last else np.zeros((0, len(self._classes)))
        yield from self._peaks(np.concatenate([self._recent, probabilities, ends]))
        self._recent = np.concatenate([self._recent, probabilities])[-2:]
        self._centre += done

    def _classify(self, window: int) -> np.ndarray:
        [held] = self._held
        if len(held) < window:
            return np.zeros((0, len(self._classes)))
        probabilities = self._classifier.pipeline.predict_proba(pool_windows(held, window))
        bad = np.concatenate([[0], np.cumsum(self._bad)])
        starts = np.arange(len(probabilities)) * STEP
        probabilities[bad[starts + window] > bad[starts]] = 0
        return np.asarray(probabilities)

    def _peaks(self, probabilities: np.ndarray) -> Iterator[Hit]:
        """Hits at local maxima; row 1 belongs to the last window before `_centre`."""
        before, here, after = probabilities[:-2], probabilities[1:-1], probabilities[2:]
        for row, column in np.argwhere((here > before) & (here >= after) & (here >= LOWEST)):
            name = self._classes[column]
            if name == BACKGROUND:
                continue
            centre, length = self._centre + (row - 1) * STEP, self._classifier.keywords[name]
            start = int(centre - length // 2)
            yield Hit(name, max(0, start), min(start + length, self._total), float(here[row, column]))
