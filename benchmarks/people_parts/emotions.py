"""Emotions of actors: by a linear probe of embeddings, and by emow2v's own arousal and valence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import recall_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.people_parts.encoders import Embed, load
from benchmarks.people_parts.material import RATE, emotions
from benchmarks.record import Cell
from novaspeech.arrays import FloatArray

# Where a category lies, from 0 to 1: of anger, boredom, disgust, fear, happiness, sadness, neutral. That is how a model
# of positions can be judged by acted categories; nobody rated these recordings.
AROUSAL = {"W": 1.0, "L": 0.0, "E": 0.5, "A": 1.0, "F": 1.0, "T": 0.0, "N": 0.3}
VALENCE = {"W": 0.0, "L": 0.3, "E": 0.0, "A": 0.1, "F": 1.0, "T": 0.0, "N": 0.5}
RIDGES = np.logspace(-1, 3, 17)  # of which leaving one recording out finds the best


def report(folder: Path, encoders: Mapping[str, Embed]) -> list[list[Cell]]:
    """A table, heads first, of probes that never heard the speaker.

    They are the unweighted average recall of seven emotions by logistic regression, and how well ridge regression tells
    the categories' positions (Pearson's r).
    """
    spoken = emotions(folder)
    labels, speakers = ([getattr(one, name) for one in spoken] for name in ("label", "speaker"))
    rows: list[list[Cell]] = [["encoder", "unweighted average recall", "arousal, r", "valence, r"]]
    for name, embed in encoders.items():
        vectors = embed([utterance.signal for utterance in spoken])
        probe = LogisticRegression(max_iter=5000, C=0.01, class_weight="balanced")
        recall = recall_score(labels, _told(probe, vectors, labels, speakers), average="macro")
        cells: list[Cell] = [f"{100 * recall:.1f} %"]
        for where in (AROUSAL, VALENCE):
            places = [where[label] for label in labels]
            told = _told(RidgeCV(RIDGES), vectors, places, speakers)
            cells.append(round(float(np.corrcoef(told, places)[0, 1]), 2))
        rows.append([name, *cells])
    return rows


def _told(probe: Any, vectors: FloatArray, wanted: Sequence[Any], speakers: Sequence[str]) -> Any:
    """What a probe says of each speaker (n,), fitted to the others."""
    probe = make_pipeline(StandardScaler(), probe)
    return cross_val_predict(probe, vectors, wanted, groups=speakers, cv=LeaveOneGroupOut())


def positions(folder: Path, places: Mapping[str, str]) -> list[list[Cell]]:
    """A table, heads first: how a model's arousal and valence go with the categories' positions (Pearson's r)."""
    spoken = emotions(folder)
    rows: list[list[Cell]] = [["model", "its own arousal, r", "valence, r"]]
    for name, place in places.items():
        model = load("emow2v", place)
        told = [model((utterance.signal, RATE), ["arousal", "valence"]) for utterance in spoken]
        cells = list[Cell]()
        for output, where in (("arousal", AROUSAL), ("valence", VALENCE)):
            values = [float(np.nanmean(np.asarray(one[output]))) for one in told]
            cells.append(round(float(np.corrcoef(values, [where[one.label] for one in spoken])[0, 1]), 2))
        rows.append([name, *cells])
    return rows
