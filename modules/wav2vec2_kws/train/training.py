"""Training of a keyword classifier on a folder of examples, with its confusion matrix."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from novaspeech.errors import RequestError
from novaspeech.inference.engine import Inference
from novaspeech.segments import plain_name
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.search.classifier import BACKGROUND, KeywordClassifier
from wav2vec2_kws.train.examples import PIECE_S, TrainingSet, gather

FOLDS = 5  # number of folds in cross-validation
FEWEST = 3  # recordings of a keyword, at least


def make_classifier(kind: str) -> Any:
    """An untrained pipeline of scikit-learn: "svm", "forest" or "mlp"."""
    balanced = {"class_weight": "balanced", "random_state": 0}
    kinds = {
        "svm": lambda: CalibratedClassifierCV(SVC(C=10, **balanced), cv=2, ensemble=False),
        "forest": lambda: RandomForestClassifier(300, n_jobs=-1, **balanced),
        "mlp": lambda: MLPClassifier((64,), alpha=0.01, max_iter=500, random_state=0),
    }
    return make_pipeline(StandardScaler(), kinds[kind]())


def train_keywords(
    folder: Path, out: Path, inference: Inference, model: str, *, kind: str, window_ms: int, copies: int
) -> int:
    """Trains a classifier, cross-validates it, prints and draws the confusion matrix, and writes it.

    Files that cannot be used are listed on standard error. The exit status that it gives is then 1, else 0.

    Args:
        folder: holds a folder of recordings for each keyword, and one called `_background`.
        out: the file to write; the confusion matrix goes beside it as PNG.
        window_ms: length of the windows that are classified.
        copies: augmented copies of each example, with other gain and speed, noise, and background around the keyword.

    Raises:
        RequestError: there are too few classes or files, or `out` cannot be written.
    """
    if not out.parent.is_dir() or out.is_dir() or out.suffix == ".png":
        raise RequestError(f"{out} cannot be written; name a file such as keywords.skops in a folder that exists")
    encoder, left_out = inference.encoder, list[str]()
    assert isinstance(encoder, KeywordEncoder)
    window = window_ms * encoder.sampling_rate // 1000
    try:
        material = gather(list_examples(folder), inference, window, copies, left_out)
    finally:
        for line in left_out:
            print(f"novaspeech: left out: {line}", file=sys.stderr)
    check_classes(material, folder)
    pipeline = make_classifier(kind)
    report(cross_validate(pipeline, material), material, out.with_suffix(".png"))
    pipeline.fit(material.features, material.labels)
    lengths = {name: int(np.median(found)) for name, found in sorted(material.lengths.items())}
    frames = window // encoder.frame_hop
    KeywordClassifier(pipeline, lengths, frames, encoder.layer, model, encoder.fingerprint).save(out)
    print(f"{out}\n{out.with_suffix('.png')}")
    return 1 if left_out else 0


def list_examples(folder: Path) -> dict[str, list[Path]]:
    """Keyword or `BACKGROUND` → its files; RequestError for a folder without one of both."""
    form = f"it must hold a folder for each keyword, with {FEWEST} recordings at least, and one called {BACKGROUND}"
    if not folder.is_dir():
        raise RequestError(f"{folder} is not a folder; {form}")
    classes = sorted(part for part in folder.iterdir() if part.is_dir() and not part.name.startswith("."))
    files = {part.name: sorted(file for file in part.iterdir() if file.is_file()) for part in classes}
    plain = [plain_name(name) for name in files]
    twice = [name for name in files if plain.count(plain_name(name)) > 1]
    if twice:
        raise RequestError(f"{folder} has {', '.join(twice)}, which are one keyword; put them into one folder")
    if BACKGROUND not in files or len(files) < 2:
        raise RequestError(f"{folder} has {', '.join(files) or 'no folders'}; {form}")
    return files


def check_classes(material: TrainingSet, folder: Path) -> None:
    """Raises RequestError if a class has too little to learn from."""
    for name in (*material.lengths, BACKGROUND):
        chosen = material.labels == name
        count = len(set(material.groups[chosen].tolist()))
        if count < FEWEST:
            what = f"pieces of {PIECE_S} s" if name == BACKGROUND else "recordings"
            raise RequestError(f"{folder / name} has {count} usable {what}; {FEWEST} are needed at least")


def cross_validate(pipeline: Any, material: TrainingSet) -> np.ndarray:
    """Predicted classes (n,), each by a classifier that was trained without the row's file."""
    folds = min(FOLDS, *(len(set(material.groups[material.labels == name].tolist())) for name in set(material.labels)))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    found = cross_val_predict(clone(pipeline), material.features, material.labels, groups=material.groups, cv=splitter)
    return np.asarray(found)


def report(found: np.ndarray, material: TrainingSet, picture: Path) -> None:
    """Prints the confusion matrix without augmented copies, and draws the shares of its rows."""
    names = [*material.lengths, BACKGROUND]
    matrix = confusion_matrix(material.labels[material.original], found[material.original], labels=names)
    width = max(map(len, names))
    print("cross-validated by file; rows: what it is, columns: what it is taken for")
    print(" " * width, *(f"{name:>{max(5, len(name))}}" for name in names))
    for name, row in zip(names, matrix, strict=True):
        print(f"{name:<{width}}", *(f"{count:>{max(5, len(other))}}" for other, count in zip(names, row, strict=True)))
    print(f"right: {np.trace(matrix) / matrix.sum():.1%} of {matrix.sum()}")
    figure = Figure(figsize=(2 + 0.6 * len(names), 1.8 + 0.5 * len(names)), layout="constrained")
    display = ConfusionMatrixDisplay(matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True)), display_labels=names)
    style = {"cmap": "Blues", "im_kw": {"vmin": 0, "vmax": 1}, "values_format": ".0%", "colorbar": False}
    display.plot(ax=figure.subplots(), xticks_rotation=45, **style)
    display.ax_.set(xlabel="taken for", ylabel="is", title="Cross-validated by file")
    figure.savefig(picture, dpi=110)
