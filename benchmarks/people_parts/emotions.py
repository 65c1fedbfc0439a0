"""Emotions of actors: by a linear probe of embeddings, and by emow2v's own arousal and valence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.people_parts.encoders import Embed, load
from benchmarks.people_parts.material import RATE, emotions

# Where a category lies, from 0 to 1: of anger, boredom, disgust, fear, happiness, sadness, neutral. That is how a model
# of positions can be judged by acted categories; nobody rated these recordings.
AROUSAL = {"W": 1.0, "L": 0.0, "E": 0.5, "A": 1.0, "F": 1.0, "T": 0.0, "N": 0.3}
VALENCE = {"W": 0.0, "L": 0.3, "E": 0.0, "A": 0.1, "F": 1.0, "T": 0.0, "N": 0.5}


def report(folder: Path, encoders: Mapping[str, Embed]) -> list[str]:
    """Rows of a table: unweighted average recall of seven emotions, a speaker left out each time."""
    spoken = emotions(folder)
    labels, speakers = ([getattr(one, name) for one in spoken] for name in ("label", "speaker"))
    rows = ["| encoder | unweighted average recall |", "|---|---|"]
    for name, embed in encoders.items():
        vectors = embed([utterance.signal for utterance in spoken])
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000, C=0.01, class_weight="balanced"))
        guessed = cross_val_predict(probe, vectors, labels, groups=speakers, cv=LeaveOneGroupOut())
        recall = recall_score(labels, guessed, average="macro")
        rows.append(f"| {name} | {100 * recall:.1f} % |")
    return rows


def positions(folder: Path, places: Mapping[str, str]) -> list[str]:
    """Rows of a table: how arousal and valence go with the categories' positions (Pearson's r)."""
    spoken = emotions(folder)
    rows = ["| model | arousal, r | valence, r |", "|---|---|---|"]
    for name, place in places.items():
        model = load("emow2v", place)
        told = [model((utterance.signal, RATE), ["arousal", "valence"]) for utterance in spoken]
        cells = []
        for output, where in (("arousal", AROUSAL), ("valence", VALENCE)):
            values = [float(np.nanmean(np.asarray(one[output]))) for one in told]
            cells.append(f"{np.corrcoef(values, [where[one.label] for one in spoken])[0, 1]:.2f}")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows
