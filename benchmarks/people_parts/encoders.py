"""Vectors of utterances: by the modules, by baselines that anyone can compute, by a public model in a package."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import librosa
import numpy as np

import novaspeech
from benchmarks.people_parts.material import RATE
from demo.standins import make_standin
from novaspeech.api import Model
from novaspeech.arrays import FloatArray

# Signals at `RATE` → a vector each.
Embed = Callable[[Sequence[FloatArray]], FloatArray]
_SHORTEST = RATE // 4  # samples; shorter ones are padded, since some modules need as much


def mfcc(signal: FloatArray) -> FloatArray:
    """(frames, 20) mel-frequency cepstral coefficients, 25 ms every 10 ms."""
    found = librosa.feature.mfcc(y=signal, sr=RATE, n_mfcc=20, n_fft=400, hop_length=160, n_mels=40)
    return np.asarray(found.T, np.float32)


def mfcc_statistics(signals: Sequence[FloatArray]) -> FloatArray:
    """Mean and standard deviation of MFCCs without the first, and of how they change: (n, 76)."""
    rows = []
    for signal in signals:
        frames = mfcc(signal)[:, 1:]
        rows.append(
            np.concatenate([part.mean(0).tolist() + part.std(0).tolist() for part in (frames, np.diff(frames, axis=0))])
        )
    return np.array(rows, np.float32)


def by_module(module: str, place: str, output: str = "embeddings") -> Embed:
    """The mean over an utterance of a module's embeddings, of windows as its trainer has them.

    Args:
        place: of the model; "random" for the module's stand-in with random weights.
    """
    model = load(module, place)

    def embed(signals: Sequence[FloatArray]) -> FloatArray:
        padded = [np.pad(signal, (0, max(0, _SHORTEST - len(signal)))) for signal in signals]
        return np.array([np.nanmean(np.asarray(model((signal, RATE), [output])[output]), axis=0) for signal in padded])

    return embed


def load(module: str, place: str, options: Mapping[str, Any] = MappingProxyType({})) -> Model:
    """A module with a model; "random" makes one of the module's architecture with random weights."""
    if place != "random":
        return novaspeech.load(module, model=place, **options)
    with tempfile.TemporaryDirectory() as folder:
        return novaspeech.load(module, model=str(make_standin(module, Path(folder, module))), **options)


def resemblyzer(packages: str) -> Embed:
    """Resemblyzer's speaker encoder (Apache-2.0), run by itself.

    Args:
        packages: a folder with resemblyzer, webrtcvad-wheels and pocketsphinx, as pip's --target fills it.
    """

    def embed(signals: Sequence[FloatArray]) -> FloatArray:
        return np.asarray(run_reference("resemblyzer", packages, signals), np.float32)

    return embed


def run_reference(what: str, packages: str, signals: Sequence[FloatArray], *words: str) -> np.ndarray:
    """What reference.py finds, in a process that has its packages."""
    script = Path(__file__).with_name("reference.py")
    with tempfile.TemporaryDirectory() as folder:
        given, told = Path(folder, "given.npz"), Path(folder, "told.npy")
        np.savez(given, *signals)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((packages, os.environ.get("PYTHONPATH", "")))}
        command = [sys.executable, str(script), what, str(given), str(told), *words]
        subprocess.run(command, check=True, env=environment)
        return np.asarray(np.load(told, allow_pickle=False))


def unit(vectors: FloatArray) -> FloatArray:
    """Vectors of length 1."""
    return np.asarray(vectors / np.maximum(1e-9, np.linalg.norm(vectors, axis=1, keepdims=True)))
