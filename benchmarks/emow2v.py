"""What emow2v costs at the published size (165.3 M parameters, random weights), by backend.

Windows of 1 s every 40 ms through the whole encoder, in one run, round by round: the public way (transformers, its
extractor, batches of 250, float32), then ours: torch, onnxruntime in float32 and, on a CPU, in int8; each with its
largest difference from the public way. Speeds are shown as windows per second and as multiples of the public way.

    python benchmarks/emow2v.py [--windows 250] [--rounds 3] [--device cpu] [--precisions float32]

On a CPU half precisions are slow and not run unless named; few windows (--windows 10) show what they cost in accuracy.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import Wav2Vec2FeatureExtractor
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Before this script's own folder, where `emow2v` would mean this script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

from benchmarks.machine import alternate, describe_machine, syllables
from demo.standins import random_emotion_model, save_emotion_model
from emow2v.emow2v import EmoW2VEncoder
from emow2v.export import export
from emow2v.network import SCORES, EmotionModel
from emow2v.onnx_encoder import OnnxEncoder
from novaspeech.audio.buffer import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.sources import ArraySource
from novaspeech.inference.encoder import Encoder, choose_device, choose_dtype
from novaspeech.inference.engine import encode_recording

LENGTH, HOP, BATCH = 16000, 640, 250  # a window of 1 s every 40 ms at 16 kHz; windows in a batch
Run = Callable[[], dict[str, np.ndarray]]


def make_published_size(folder: Path) -> None:
    """The configuration of audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim, random weights."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 16, "intermediate_size": 4096}
    save_emotion_model(random_emotion_model(**sizes), folder)


def public(folder: Path, device: torch.device, windows: list[np.ndarray]) -> Run:
    """The way of the public modules."""
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    model = EmotionModel.from_pretrained(folder).to(device).eval()
    model.standardised = False  # the extractor does it

    def run() -> dict[str, np.ndarray]:
        parts = []
        for begin in range(0, len(windows), BATCH):
            batch = extractor(windows[begin : begin + BATCH], sampling_rate=16000, return_tensors="pt")
            with torch.no_grad():
                parts.append([output.cpu().numpy() for output in model(batch.input_values.to(device))])
        pooled, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        return {"embedding": pooled} | {name: scores[:, [index]] for index, name in enumerate(SCORES)}

    return run


def ours(encoder: Encoder, signal: np.ndarray, count: int, precision: str) -> Run:
    """An encoder with everything around it, on an array."""
    # No left context: window i begins at i*40 ms, and the last ends with the signal.
    grid, recording = WindowGrid(1000, 40, 0, 0, count), Recording("noise", ArraySource(signal, 16000))
    names = ["embedding", *SCORES]
    return lambda: encode_recording(recording, grid, encoder, names, batch_size=BATCH, precision=precision).values


def backends(
    folder: Path, device: torch.device, signal: np.ndarray, count: int, precisions: list[str]
) -> dict[str, Run]:
    """Label → what runs it."""
    runs: dict[str, Run] = {}
    for precision in precisions:
        encoder: Encoder = EmoW2VEncoder(folder, device, choose_dtype(precision))
        runs["torch, TF32" if precision == "auto" else f"torch, {precision}"] = ours(encoder, signal, count, precision)
    for precision in ("float32", "int8") if device.type == "cpu" else ("float32",):
        file = export(str(folder), precision, folder / precision, log=lambda line: None)
        encoder = OnnxEncoder(file, device.type)
        runs[f"onnx, {precision}"] = ours(encoder, signal, count, "float32")
    return runs


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, help="in a run (default: 250 on a CPU, 2000 elsewhere)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precisions", nargs="+", help="of torch")
    given = parser.parse_args()
    device = choose_device(given.device)
    usual = ["float32"] if device.type == "cpu" else ["float32", "auto", "bfloat16", "float16"]
    count = given.windows or (250 if device.type == "cpu" else 2000)
    logging.disable_progress_bar()
    print(describe_machine())
    print(f"{count} windows of 1 s, batches of {BATCH}, median of {given.rounds} rounds, {device.type}", flush=True)
    signal = syllables((count - 1) * HOP + LENGTH)
    windows = [signal[start : start + LENGTH] for start in range(0, count * HOP, HOP)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_published_size(folder)
        runs = {"public": public(folder, device, windows)} | backends(
            folder, device, signal, count, given.precisions or usual
        )
        measure(runs, count, device, given.rounds)


def measure(runs: dict[str, Run], count: int, device: torch.device, rounds: int) -> None:
    """Times all in turn and prints the table."""
    seconds, results = alternate(runs, device, rounds)
    reference = results["public"]
    heads = ("windows/s", "× real time", "× public", "least cosine", "score diff.")
    print(f"{'':<16}" + "".join(f"{head:>14}" for head in heads))
    for label, found in results.items():
        took = seconds[label]
        pooled = [torch.from_numpy(values["embedding"]) for values in (reference, found)]
        cosine = torch.cosine_similarity(pooled[0], pooled[1]).min()
        difference = max(float(np.abs(found[name] - reference[name]).max()) for name in SCORES)
        ratio = seconds["public"] / took
        print(
            f"{label:<16}{count / took:>14.2f}{count / took * 0.04:>14.3f}{ratio:>14.2f}{cosine:>14.6f}"
            f"{difference:>14.2g}"
        )


if __name__ == "__main__":
    main()
