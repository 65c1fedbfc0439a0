"""How far `context=recording` is from `context=window`, and how little the chunks of the former matter.

For every module that has both, on the speech of this repository, 75 s: the cosine between the embeddings of the same
windows in both contexts, beside that between neighbouring windows of one; and the largest change of a value, as a share
of the largest value, when the same recording is cut into chunks of 20 to 29 s in place of 30, so that their edges lie
elsewhere. wav2vec2_kws, which always hears the recording, is there with its trained checkpoint. A picture has emow2v's
scores in both contexts.

    python -m benchmarks.contexts [--audio FILE …] [--model MODULE=FOLDER …] [--out PNG]

A model is the one named, else a small one with random weights, which attends to everything alike: that is the hardest
case for chunks, and says nothing of what trained weights hear.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import novaspeech
from benchmarks.record import Report, command_line
from demo.standins import make_standin
from novaspeech.api import Model
from novaspeech.arrays import FloatArray
from novaspeech.audio.excerpt import Audio
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.inference.engine import Inference
from novaspeech.module.catalogue import load_trainer, module_names
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.standin import SMALL

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = [
    ROOT / "demo" / "recording.flac",
    ROOT / "tests" / "data" / "synthetic" / "words.flac",
    ROOT / "tests" / "data" / "takes.flac",
]
RATE = 16000
CHUNKS = (20.0, 22.0, 24.0, 26.0, 28.0, 29.0)  # seconds, held against the 30 of the default
OVERLAPS = (1.0, 2.0, 3.0, 5.0)
SCORES = ("arousal", "dominance", "valence")


def joined(files: Sequence[Path]) -> tuple[FloatArray, int]:
    """Recordings one after the other."""
    return np.concatenate([block for file in files for block in Recording.open(file, RATE).signal.blocks()]), RATE


def cosines(left: FloatArray, right: FloatArray) -> FloatArray:
    """(n,) of rows (n, D)."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return np.asarray((left * right).sum(axis=1) / np.maximum(lengths, 1e-12))


def embeddings(module: str, audio: Audio, **options: Any) -> FloatArray:
    """(n, D) of a recording's windows."""
    model = novaspeech.load(module, log=lambda line: None, **options)
    [output] = [output.id for output in model.outputs.values() if output.kind == "stream"]
    return np.asarray(model(audio, [output])[output])


def compare(module: str, model: str, audio: Audio) -> list[float]:
    """The numbers of a module's row."""
    alone = embeddings(module, audio, model=model)
    once = embeddings(module, audio, model=model, context="recording")
    between, neighbours = cosines(alone, once), cosines(alone[1:], alone[:-1])
    cells = [round(float(number), 3) for number in (between.mean(), between.min(), neighbours.mean())]

    def embed(chunk: float, overlap: float) -> FloatArray:
        return embeddings(module, audio, model=model, context="recording", chunk=chunk, overlap=overlap)

    return cells + edges(embed)


def edges(embed: Callable[[float, float], FloatArray]) -> list[float]:
    """The largest change by other edges for each of `OVERLAPS`; `embed` takes a chunk and an overlap."""
    cells = []
    for overlap in OVERLAPS:
        whole = embed(30.0, overlap)
        change = max(np.abs(embed(chunk, overlap) - whole).max() for chunk in CHUNKS)
        cells.append(float(f"{change / np.abs(whole).max():.2e}"))
    return cells


def compare_keywords(model: Path, audio: tuple[FloatArray, int]) -> list[float]:
    """The change by other edges of wav2vec2_kws, which always hears the recording."""
    encoder, recording = KeywordEncoder(model), Recording.of_samples(*audio, "joined")
    grid = WindowGrid.fit(1000, 40, 0, 0, recording.duration_ms)

    def embed(chunk: float, overlap: float) -> FloatArray:
        inference = Inference(encoder, context="recording", chunk=chunk, overlap=overlap)
        return inference.encode(recording, grid, ["embeddings"])["embeddings"].values

    return edges(embed)


def draw(model: str, audio: Audio, out: Path) -> None:
    """emow2v's scores in both contexts, one above the other."""
    loaded: dict[str, Model] = {
        context: novaspeech.load("emow2v", log=lambda line: None, model=model, context=context)
        for context in ("window", "recording")
    }
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots(len(SCORES), sharex=True)
    for context, one in loaded.items():
        result = one(audio, SCORES)
        for axis, name in zip(axes, SCORES, strict=True):
            axis.plot(result.times[:, 0], result[name], label=f"context={context}", linewidth=1)
            axis.set_ylabel(name)
    axes[0].legend(loc="upper right", fontsize="small")
    axes[-1].set_xlabel("s")
    figure.savefig(out, dpi=110)
    print(out)


def main() -> None:
    """Prints the table and draws the picture."""
    parser = command_line(__doc__)
    parser.add_argument("--audio", type=Path, nargs="+", default=BUNDLED, help="recordings, heard as one")
    parser.add_argument("--model", action="append", default=[], metavar="MODULE=FOLDER")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "pictures" / "contexts.png")
    given = parser.parse_args()
    audio, named = joined(given.audio), dict(text.split("=", 1) for text in given.model)
    report = Report("contexts", given.results)
    heads = [f"edges, overlap {overlap:g} s" for overlap in OVERLAPS]
    report.table("contexts", "module", "cosine, mean", "least", "of neighbours", *heads)
    with tempfile.TemporaryDirectory() as folder:
        for module in module_names():
            if "context" not in load_trainer(module).options:
                continue
            model = named.get(module) or make_standin(module, Path(folder, module))
            report.row(module, *compare(module, str(model), audio))
            if module == "emow2v":
                draw(str(model), audio, given.out)
        report.row("wav2vec2_kws, trained", None, None, None, *compare_keywords(SMALL, audio))


if __name__ == "__main__":
    main()
