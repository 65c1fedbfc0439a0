"""How much embeddings change when the recording does: noise, gain, speed, MP3, telephone bandwidth.

For every encoder that is there: the mean cosine between the embeddings of windows of a recording and those of the same
windows of the changed recording (at another speed: of the windows that hold the same speech), and beside it the mean
cosine between different windows of the recording, without which the former means little.

    python benchmarks/robustness.py [--audio FILE] [--model MODULE=FOLDER …] [--modules emow2v …] [--out PNG]

A model is the one named, else the published one if it is on this machine, else a small one with random weights (or for
wav2vec2_kws the small checkpoint). Random weights show what the architecture does, not what training adds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

import novaspeech
from benchmarks.machine import describe_machine
from byols.network import NETWORKS, build
from demo.standins import make_standin
from novaspeech.api import Model
from novaspeech.audio.recording import Recording
from novaspeech.module.catalogue import published_is_here, standins
from training.speech import with_noise

RATE = 16000
WINDOW_MS, HOP_MS = 1000, 500
Change = Callable[[np.ndarray], np.ndarray]


def noisy(snr_db: float) -> Change:
    """White noise so many decibels below the signal."""
    return lambda signal: with_noise(signal, snr_db, np.random.default_rng(0))


def with_gain(decibels: float) -> Change:
    """Louder; nothing is clipped, since files are float."""
    return lambda signal: signal * 10 ** (decibels / 20)


def by_ffmpeg(*arguments: str, suffix: str = ".wav") -> Change:
    """What ffmpeg makes of it, decoded again at the same rate."""

    def change(signal: np.ndarray) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            before, between, after = (Path(folder) / name for name in ("a.wav", f"b{suffix}", "c.wav"))
            soundfile.write(before, signal, RATE, subtype="FLOAT")
            for source, target, options in ((before, between, arguments), (between, after, ("-ar", str(RATE)))):
                command = ["ffmpeg", "-v", "error", "-i", str(source), *options, str(target)]
                subprocess.run(command, check=True)
            return np.asarray(soundfile.read(after, dtype="float32")[0])

    return change


def faster(percent: float) -> Change:
    """At another speed, the pitch as it was: 1 is one percent faster."""
    return by_ffmpeg("-af", f"atempo={1 + percent / 100}", "-c:a", "pcm_f32le")


CHANGES: Mapping[str, tuple[Change, float]] = {  # name → what is done, and the speed
    "noise, 30 dB": (noisy(30), 1.0),
    "noise, 20 dB": (noisy(20), 1.0),
    "noise, 10 dB": (noisy(10), 1.0),
    "6 dB louder": (with_gain(6), 1.0),
    "6 dB softer": (with_gain(-6), 1.0),
    "1 % faster": (faster(1), 1.01),
    "5 % faster": (faster(5), 1.05),
    "MP3, 64 kbit/s": (by_ffmpeg("-b:a", "64k", suffix=".mp3"), 1.0),
    "8 kHz": (by_ffmpeg("-ar", "8000", "-c:a", "pcm_f32le"), 1.0),
}


def encoders(models: Mapping[str, str], folder: Path, modules: list[str]) -> dict[str, tuple[str, dict[str, str]]]:
    """Name of each encoder → its module and options."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for module in modules:
        standin = standins()[module]
        if module in models:
            found[module] = module, {"model": models[module]}
        elif published_is_here(module):
            found[module] = module, {}
        elif standin.uri:
            for name in NETWORKS:
                torch.manual_seed(0)
                torch.save(build(name).state_dict(), folder / f"{name}.pth")
                options = {"model": str(folder / f"{name}.pth"), "encoder": name}
                found[f"{module}, {name} (random)"] = module, options
        else:
            meaning = "small checkpoint" if standin.small else "small, random"
            place = standin.small or make_standin(module, folder / module)
            found[f"{module} ({meaning})"] = module, {"model": str(place)}
    return found


def load(module: str, options: Mapping[str, Any], speed: float) -> Model:
    """A module over windows of one second, or so much longer that a faster copy holds the same in a second."""
    length, hop = round(WINDOW_MS * speed), round(HOP_MS * speed)
    # The middle step of a window, so that what is before and after it is context to all modules alike.
    side = (length - hop) // 2
    return novaspeech.load(module, frame=hop, left=side, right=length - hop - side, **options)


def embed(model: Model, signal: np.ndarray) -> np.ndarray:
    """(count, D)."""
    return np.asarray(model((signal, RATE), ["embeddings"])["embeddings"])


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of rows, (n,)."""
    count = min(len(one), len(other))
    product = (one[:count] * other[:count]).sum(axis=1)
    return np.asarray(product / np.linalg.norm(one[:count], axis=1) / np.linalg.norm(other[:count], axis=1))


def between_windows(vectors: np.ndarray) -> float:
    """Mean cosine of different windows."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return float((np.square(unit.sum(axis=0)).sum() - len(unit)) / (len(unit) * (len(unit) - 1)))


def draw(table: Mapping[str, Mapping[str, float]], picture: Path) -> None:
    """The table as an image, each value written into its field."""
    rows, columns = list(table), list(next(iter(table.values())))
    values = np.array([[table[row][column] for column in columns] for row in rows])
    figure = Figure(figsize=(3.5 + 0.85 * len(columns), 1.6 + 0.42 * len(rows)), layout="constrained")
    axis = figure.subplots()
    drawn = axis.imshow(values, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    axis.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
    axis.set_yticks(range(len(rows)), rows)
    axis.axvline(len(CHANGES) - 0.5, color="white", lw=3)
    for (row, column), value in np.ndenumerate(values):
        axis.text(column, row, f"{value:.3f}", ha="center", va="center", color="black" if value > 0.6 else "white")
    axis.set_title("mean cosine of embeddings: changed recording against the same; on the right, different windows")
    figure.colorbar(drawn, ax=axis, pad=0.01)
    figure.savefig(picture, dpi=110)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[1]
    parser.add_argument("--audio", type=Path, default=root / "demo" / "recording.flac")
    parser.add_argument("--model", action="append", default=[], metavar="MODULE=FOLDER")
    parser.add_argument("--modules", nargs="+", choices=list(standins()), default=list(standins()))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("pictures") / "robustness.png")
    given = parser.parse_args()
    given.out.parent.mkdir(exist_ok=True)
    print(describe_machine())
    signal = np.concatenate(list(Recording.open(given.audio).blocks(RATE)))
    table: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        changed = {label: change(signal) for label, (change, _) in CHANGES.items()}
        print(f"| encoder | {' | '.join(CHANGES)} | different windows |\n{'|---' * (len(CHANGES) + 2)}|")
        models = dict(entry.split("=", 1) for entry in given.model)
        for label, (module, options) in encoders(models, Path(name), given.modules).items():
            originals = {
                speed: embed(load(module, options, speed), signal)
                for speed in sorted({speed for _, speed in CHANGES.values()})
            }
            model = load(module, options, 1.0)
            table[label] = {
                change: float(np.mean(cosines(originals[speed], embed(model, changed[change]))))
                for change, (_, speed) in CHANGES.items()
            }
            table[label]["different windows"] = between_windows(originals[1.0])
            print(f"| {label} | {' | '.join(f'{value:.3f}' for value in table[label].values())} |", flush=True)
    draw(table, given.out)


if __name__ == "__main__":
    main()
