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
from benchmarks.windows import cut, encoding
from emow2v.encoder import EmoW2VEncoder
from emow2v.export import export
from emow2v.network import SCORES, EmotionModel
from emow2v.onnx_encoder import OnnxEncoder
from emow2v.standin import random_emotion_model, save_emotion_model
from novaspeech.arrays import FloatArray
from novaspeech.inference.compute import Compute
from novaspeech.inference.encoder import Encoder

LENGTH, HOP, BATCH = 16000, 640, 250  # a window of 1 s every 40 ms at 16 kHz; windows in a batch
Run = Callable[[], dict[str, FloatArray]]


def make_published_size(folder: Path) -> None:
    """The configuration of audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim, random weights."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 16, "intermediate_size": 4096}
    save_emotion_model(random_emotion_model(**sizes), folder)


def public(folder: Path, device: torch.device, windows: list[FloatArray]) -> Run:
    """The way of the public modules."""
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    model = EmotionModel.from_pretrained(folder).to(device).eval()
    model.standardised = False  # the extractor does it

    def run() -> dict[str, FloatArray]:
        parts = []
        for begin in range(0, len(windows), BATCH):
            batch = extractor(windows[begin : begin + BATCH], sampling_rate=16000, return_tensors="pt")
            with torch.no_grad():
                parts.append([output.cpu().numpy() for output in model(batch.input_values.to(device))])
        pooled, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        return {"embedding": pooled} | {name: scores[:, [index]] for index, name in enumerate(SCORES)}

    return run


def backends(folder: Path, device: torch.device, signal: FloatArray, precisions: list[str]) -> dict[str, Run]:
    """Label → what runs it."""
    encoders: dict[str, Encoder] = {}
    for precision in precisions:
        label = "torch, TF32" if precision == "auto" else f"torch, {precision}"
        encoders[label] = EmoW2VEncoder(folder, Compute.of(device.type, precision))
    for precision in ("float32", "int8") if device.type == "cpu" else ("float32",):
        file = export(str(folder), precision, folder / precision, log=lambda line: None)
        encoders[f"onnx, {precision}"] = OnnxEncoder(file, device.type)
    names = ["embedding", *SCORES]
    return {label: encoding(encoder, signal, LENGTH, HOP, names, BATCH) for label, encoder in encoders.items()}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, help="in a run (default: 250 on a CPU, 2000 elsewhere)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precisions", nargs="+", help="of torch")
    given = parser.parse_args()
    device = Compute.of(given.device).device
    usual = ["float32"] if device.type == "cpu" else ["float32", "auto", "bfloat16", "float16"]
    count = given.windows or (250 if device.type == "cpu" else 2000)
    logging.disable_progress_bar()
    print(describe_machine())
    print(f"{count} windows of 1 s, batches of {BATCH}, median of {given.rounds} rounds, {device.type}", flush=True)
    signal = syllables((count - 1) * HOP + LENGTH)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_published_size(folder)
        runs = {"public": public(folder, device, cut(signal, LENGTH, HOP))}
        runs |= backends(folder, device, signal, given.precisions or usual)
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
