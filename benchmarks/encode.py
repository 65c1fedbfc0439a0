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
from novaspeech.audio.buffer import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.sources import ArraySource
from novaspeech.inference.encoder import choose_device, choose_dtype, float32_products
from novaspeech.inference.engine import encode_recording
from w2v_bert_2.w2v_bert_2 import W2VBert2Encoder

LENGTH, HOP = 16000, 640  # a window of 1 s every 40 ms, at 16 kHz


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations per second of the fastest of some square matrix products."""
    best = 0.0
    cpu_sizes = (2048, 4096) if dtype is torch.float32 else (1024, 2048)
    for size in cpu_sizes if device.type == "cpu" else (8192, 16384):
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        for _ in range(3):
            # As layers multiply: some CPU kernels are slow for any other layout.
            seconds = timed(partial(torch.nn.functional.linear, left, right), device)[0]
            best = max(best, 2 * size**3 / seconds)
    return best


def operations_per_window(model: torch.nn.Module, device: torch.device) -> float:
    """Floating-point operations of one window's pass through the model."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 49, 160, device=device))
    return float(counter.get_total_flops())


def run_public(folder: Path, device: torch.device, windows: list[np.ndarray]) -> Callable[[], np.ndarray]:
    """The way of the public modules: extractor and model of transformers, the batch as it comes."""
    extractor = SeamlessM4TFeatureExtractor.from_pretrained(folder)
    model = Wav2Vec2BertModel.from_pretrained(folder).to(device).eval()

    def run() -> np.ndarray:
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
    device = choose_device("auto")
    on_cpu = device.type == "cpu"
    count = given.windows or (50 if on_cpu else 1000)
    precisions = given.precisions or ["float32", *([] if on_cpu else ["auto"]), "bfloat16", "float16"]
    logging.disable_progress_bar()
    print(describe_machine())
    print(f"{count} windows of 1 s, batches of {given.batch}, median of {given.rounds} rounds, {device.type}")
    signal = np.random.default_rng(0).standard_normal((count - 1) * HOP + LENGTH).astype(np.float32) * 0.1
    windows = [signal[start : start + LENGTH] for start in range(0, count * HOP, HOP)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(0)
        Wav2Vec2BertModel(Wav2Vec2BertConfig()).save_pretrained(folder)
        SeamlessM4TFeatureExtractor(padding_value=1).save_pretrained(folder)
        rows = []
        for precision in precisions:
            few = max(2, count // 10) if on_cpu and precision in ("bfloat16", "float16") else count
            run = ours(folder, device, precision, signal[: (few - 1) * HOP + LENGTH], few, given.batch)
            rows.append(("TF32 (auto)" if precision == "auto" else precision, precision, run, few))
        run = run_public(folder, device, windows[: given.batch])
        rows.append(("public, float32", "float32", run, min(count, given.batch)))
        measure(rows, folder, device, given.rounds)


def ours(
    folder: Path, device: torch.device, precision: str, signal: np.ndarray, count: int, batch: int
) -> Callable[[], np.ndarray]:
    """The module's encoder with everything around it, on an array."""
    encoder = W2VBert2Encoder(folder, device, choose_dtype(precision))
    # No left context: window i begins at i*40 ms, and the last ends with the signal.
    grid = WindowGrid(1000, 40, 0, 0, count)
    recording = Recording("noise", ArraySource(signal, 16000))
    return lambda: encode_recording(
        recording, grid, encoder, ["embeddings"], batch_size=batch, precision=precision
    ).values["embeddings"]


def measure(
    rows: list[tuple[str, str, Callable[[], np.ndarray], int]], folder: Path, device: torch.device, rounds: int
) -> None:
    """Times all rows in turn, round by round, so that a machine's moods meet them alike."""
    flops = operations_per_window(Wav2Vec2BertModel.from_pretrained(folder).to(device).eval(), device)
    seconds: dict[str, list[float]] = {label: [] for label, *_ in rows}
    results: dict[str, np.ndarray] = {}
    peaks: dict[str, float] = {}
    for turn in range(rounds + 1):
        for label, precision, run, count in rows:
            with float32_products(precision, device):
                peaks[label] = max(peaks.get(label, 0.0), matrix_peak(device, choose_dtype(precision)))
            took, results[label] = timed(run, device)
            if turn:  # the first is to warm up
                seconds[label].append(took / count)
    exact = next(results[label] for label, precision, *_ in rows if precision == "float32")
    print(f"{flops / 1e9:.1f} GFLOP a window; the cosine is to float32 of novaspeech")
    heads = ("windows/s", "× real time", "% of peak", "peak TFLOP/s", "least cosine")
    print(f"{'':<18}" + "".join(f"{head:>14}" for head in heads))
    for label, _, _, count in rows:
        speed = 1 / statistics.median(seconds[label])
        shared = min(len(exact), count)
        cosine = torch.cosine_similarity(torch.from_numpy(results[label][:shared]), torch.from_numpy(exact[:shared]))
        print(
            f"{label:<18}{speed:>14.2f}{speed * 0.04:>14.3f}{100 * speed * flops / peaks[label]:>14.1f}"
            f"{peaks[label] / 1e12:>14.3f}{cosine.min():>14.6f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
