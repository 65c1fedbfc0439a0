"""What the encoder of w2v_bert_2 costs at the published size (580.5 M parameters, random weights).

On whichever device is there: windows per second, times real time (at one window for 40 ms), the share of the
device's measured matrix-product peak in the same number format, and the cosine to float32; next to the public way
(transformers, its own features, batches of 250, float32), in the same run. On a CPU few windows, in half precision a
tenth of them: without instructions for it, it is many times slower there.

    python benchmarks/encode.py [--windows N] [--batch 250] [--precisions auto float32 bfloat16 float16]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import describe_machine, timed
from benchmarks.windows import cut, encoding
from novaspeech.arrays import FloatArray
from novaspeech.inference.compute import Compute
from w2v_bert_2.encoder import W2VBert2Encoder

LENGTH, HOP = 16000, 640  # a window of 1 s every 40 ms, at 16 kHz
Run = Callable[[], FloatArray]
Row = tuple[str, Compute, Run, int]  # label, where and how, what runs it, windows


def matrix_peak(compute: Compute) -> float:
    """Floating-point operations per second of the fastest of some square matrix products."""
    best = 0.0
    cpu_sizes = (2048, 4096) if compute.dtype is torch.float32 else (1024, 2048)
    for size in cpu_sizes if compute.on_cpu else (8192, 16384):
        left, right = (torch.randn(size, size, device=compute.device).to(compute.dtype) for _ in range(2))
        with compute.products():
            for _ in range(3):
                # As layers multiply: some CPU kernels are slow for any other layout.
                seconds = timed(partial(torch.nn.functional.linear, left, right), compute.device)[0]
                best = max(best, 2 * size**3 / seconds)
    return best


def operations_per_window(model: torch.nn.Module, device: torch.device) -> float:
    """Floating-point operations of one window's pass through the model."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 49, 160, device=device))
    return float(counter.get_total_flops())


def public(folder: Path, device: torch.device, windows: list[FloatArray]) -> Run:
    """The way of the public modules: extractor and model of transformers, the batch as it comes."""
    extractor = SeamlessM4TFeatureExtractor.from_pretrained(folder)
    model = Wav2Vec2BertModel.from_pretrained(folder).to(device).eval()

    def run() -> FloatArray:
        with torch.no_grad():
            features = extractor(windows, sampling_rate=16000, return_tensors="pt").to(device)
            return np.asarray(model(**features).last_hidden_state.mean(1).cpu())

    return run


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, help="per run (default: 50 on a CPU, 1000 elsewhere)")
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken")
    parser.add_argument("--precisions", nargs="+")
    given = parser.parse_args()
    exact = Compute.of(precision="float32")
    count = given.windows or (50 if exact.on_cpu else 1000)
    precisions = given.precisions or ["float32", *([] if exact.on_cpu else ["auto"]), "bfloat16", "float16"]
    logging.disable_progress_bar()
    print(describe_machine())
    print(f"{count} windows of 1 s, batches of {given.batch}, median of {given.rounds} rounds, {exact.device.type}")
    signal = np.random.default_rng(0).standard_normal((count - 1) * HOP + LENGTH).astype(np.float32) * 0.1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(0)
        Wav2Vec2BertModel(Wav2Vec2BertConfig()).save_pretrained(folder)
        SeamlessM4TFeatureExtractor(padding_value=1).save_pretrained(folder)
        rows: list[Row] = []
        for precision in precisions:
            compute = Compute.of(precision=precision)
            few = max(2, count // 10) if compute.on_cpu and compute.dtype != torch.float32 else count
            run = ours(folder, compute, signal[: (few - 1) * HOP + LENGTH], given.batch)
            rows.append(("TF32 (auto)" if precision == "auto" else precision, compute, run, few))
        windows = cut(signal, LENGTH, HOP)[: given.batch]
        rows.append(("public, float32", exact, public(folder, exact.device, windows), len(windows)))
        measure(rows, folder, exact, given.rounds)


def ours(folder: Path, compute: Compute, signal: FloatArray, batch: int) -> Run:
    """The module's encoder with everything around it, on an array."""
    run = encoding(W2VBert2Encoder(folder, compute), signal, LENGTH, HOP, ["embeddings"], batch)
    return lambda: run()["embeddings"]


def measure(rows: list[Row], folder: Path, exact: Compute, rounds: int) -> None:
    """Times all rows in turn, round by round, so that a machine's moods meet them alike."""
    flops = operations_per_window(Wav2Vec2BertModel.from_pretrained(folder).to(exact.device).eval(), exact.device)
    seconds: dict[str, list[float]] = {label: [] for label, *_ in rows}
    results: dict[str, FloatArray] = {}
    peaks: dict[str, float] = {}
    for turn in range(rounds + 1):
        for label, compute, run, count in rows:
            peaks[label] = max(peaks.get(label, 0.0), matrix_peak(compute))
            took, results[label] = timed(run, compute.device)
            if turn:  # the first is to warm up
                seconds[label].append(took / count)
    expected = next(results[label] for label, compute, *_ in rows if compute == exact)
    print(f"{flops / 1e9:.1f} GFLOP a window; the cosine is to float32 of novaspeech")
    heads = ("windows/s", "× real time", "% of peak", "peak TFLOP/s", "least cosine")
    print(f"{'':<18}" + "".join(f"{head:>14}" for head in heads))
    for label, _, _, count in rows:
        speed = 1 / statistics.median(seconds[label])
        shared = min(len(expected), count)
        found, exactly = (torch.from_numpy(values[:shared]) for values in (results[label], expected))
        cosine = torch.cosine_similarity(found, exactly)
        print(
            f"{label:<18}{speed:>14.2f}{speed * 0.04:>14.3f}{100 * speed * flops / peaks[label]:>14.1f}"
            f"{peaks[label] / 1e12:>14.3f}{cosine.min():>14.6f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
