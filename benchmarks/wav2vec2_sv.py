"""What wav2vec2_sv costs at the published size (wav2vec2-base with x-vector head, random weights).

Windows of 3 s every 500 ms through the whole encoder, in one run, round by round: transformers' plain loop (extractor,
model), one window at a time and in batches, and ours in batches of the same sizes; each with its least cosine to
transformers one by one.

    python benchmarks/wav2vec2_sv.py [--windows 50] [--rounds 3] [--batches 1 250] [--device cpu] [--precision float32]

A batch holds no more windows than there are, and ours on a CPU no more than 25, elsewhere 114 (60 s).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import AutoFeatureExtractor, AutoModelForAudioXVector
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Before this script's own folder, where `wav2vec2_sv` would mean this script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

from benchmarks.machine import alternate, describe_machine, syllables
from benchmarks.windows import cut, encoding
from novaspeech.arrays import FloatArray
from novaspeech.inference.compute import Compute
from wav2vec2_sv.encoder import SpeakerEncoder
from wav2vec2_sv.standin import random_speaker_model, save_speaker_model

LENGTH, HOP = 48000, 8000  # a window of 3 s every 500 ms at 16 kHz
Run = Callable[[], FloatArray]


def public(folder: Path, device: torch.device, windows: list[FloatArray], batch: int) -> Run:
    """Unit vectors (count, D) by transformers alone."""
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    model = AutoModelForAudioXVector.from_pretrained(folder).to(device).eval()

    def run() -> FloatArray:
        parts = []
        for begin in range(0, len(windows), batch):
            values = extractor(windows[begin : begin + batch], sampling_rate=16000, return_tensors="pt").input_values
            with torch.no_grad():
                parts.append(model(values.to(device)).embeddings)
        return np.asarray(torch.nn.functional.normalize(torch.cat(parts), dim=-1).cpu())

    return run


def ours(encoder: SpeakerEncoder, signal: FloatArray, batch: int) -> Run:
    """The encoder with everything around it, on an array."""
    run = encoding(encoder, signal, LENGTH, HOP, ["embeddings"], batch)
    return lambda: run()["embeddings"]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 250])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="float32")
    given = parser.parse_args()
    compute, count = Compute.of(given.device, given.precision), given.windows
    device = compute.device
    logging.disable_progress_bar()
    print(describe_machine())
    print(f"{count} windows of 3 s, median of {given.rounds} rounds, {device.type}, {given.precision}", flush=True)
    signal = syllables((count - 1) * HOP + LENGTH)
    windows = cut(signal, LENGTH, HOP)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(0)
        save_speaker_model(random_speaker_model(), folder)
        encoder = SpeakerEncoder(folder, compute)
        runs = {}
        for batch in given.batches:
            runs[f"transformers, {batch}"] = public(folder, device, windows, batch)
            runs[f"wav2vec2_sv, {batch}"] = ours(encoder, signal, batch)
        measure(runs, count, device, given.rounds)


def measure(runs: dict[str, Run], count: int, device: torch.device, rounds: int) -> None:
    """Times all in turn and prints the table."""
    seconds, results = alternate(runs, device, rounds)
    first = next(iter(runs))
    heads = ("windows/s", "× real time", "× alike", "least cosine")
    print(f"{'':<20}" + "".join(f"{head:>14}" for head in heads))
    for label, found in results.items():
        speed = count / seconds[label]
        # In batches of the same size.
        ratio = seconds[f"transformers, {label.split(', ')[1]}"] / seconds[label]
        cosine = float((found * results[first]).sum(axis=1).min())
        print(f"{label:<20}{speed:>14.2f}{speed * HOP / 16000:>14.2f}{ratio:>14.2f}{cosine:>14.7f}")


if __name__ == "__main__":
    main()
