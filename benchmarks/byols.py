"""What byols costs, by encoder: windows per second and peak memory, beside the reference's way.

Ten minutes of 16 kHz, a window of 1 s every 50 ms, random weights; each path in a process of its own, one after the
other. The reference's way is that of serab-byols: cut all frames, transform all of them, then pass them through the
plain network, 512 at once. How its numbers compare with those of `byols.get_timestamp_embeddings` is shown, too, and
what half precisions of the module cost.

    python benchmarks/byols.py [--encoders default cvt resnetish34 clstm] [--minutes 10] [--device cpu]
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Before this script's own folder, where `byols` would mean this script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

import byols
from benchmarks.machine import describe_machine, timed
from benchmarks.peak import peak_mb
from byols.base import Network
from byols.encoder import BYOLSEncoder
from byols.network import NETWORKS, build
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.inference.compute import Compute
from novaspeech.inference.engine import Inference

RATE, LENGTH, HOP, BATCH = 16000, 16000, 800, 512
COMPARED_SECONDS = 10
Result = tuple[float, int, float]  # seconds, windows, peak memory in MB


def make_recording(path: Path, minutes: float) -> None:
    """Syllables of noise."""
    random = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as file:
        for _ in range(round(minutes * 60)):
            file.write(0.1 * random.standard_normal(RATE) * np.sin(np.pi * 3 * np.arange(RATE) / RATE) ** 2)


def mel_bands(device: torch.device) -> torch.Tensor:
    """(64, 513)."""
    bands = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64, fmin=60, fmax=7800, htk=True, norm=None)
    return torch.from_numpy(bands).to(device)


def reference_way(signal: torch.Tensor, network: Network, mel: torch.Tensor) -> torch.Tensor:
    """Embeddings (T, D) of a signal (N,) on the network's device, in the reference's order of work."""
    device = signal.device
    padded = torch.nn.functional.pad(signal, (LENGTH // 2, LENGTH - LENGTH // 2))
    frames = torch.stack([padded[start : start + LENGTH] for start in range(0, len(signal) + 1, HOP)])
    spectrum = torch.stft(
        frames, 1024, 160, 400, torch.hann_window(400, device=device), center=True, pad_mode="reflect",
        return_complex=True,
    )  # fmt: skip
    power = spectrum.abs().pow(2)
    del spectrum
    log_mel = ((power.transpose(1, 2) @ mel.T).transpose(1, 2) + torch.finfo(torch.float32).eps).log()
    log_mel = (log_mel - log_mel.mean() / len(frames)) / (log_mel.std() / len(frames))
    with torch.no_grad():
        return torch.cat([network(part) for part in torch.split(log_mel.unsqueeze(1), BATCH)])


def run_reference(recording: Path, checkpoint: Path, device: torch.device) -> tuple[float, torch.Tensor]:
    """Seconds and embeddings (T, D) of the reference's way."""
    network, mel = byols.load_model(checkpoint).to(device), mel_bands(device)

    def work() -> torch.Tensor:
        signal = torch.from_numpy(soundfile.read(recording, dtype="float32")[0]).to(device)
        return reference_way(signal, network, mel).cpu()

    return timed(work, device)


def run_module(
    recording: Path, checkpoint: Path, device: torch.device, precision: str = "float32", end_ms: int = sys.maxsize
) -> tuple[float, torch.Tensor]:
    """Seconds and embeddings (T, D) of the module."""
    encoder = BYOLSEncoder(byols.load_model(checkpoint), Compute.of(device.type, precision))
    opened = Recording.open(recording)
    grid = WindowGrid.fit(50, 50, 475, 475, min(end_ms, opened.duration_ms))
    inference = Inference(encoder, log=lambda line: None)
    seconds, found = timed(partial(inference.windows, opened, grid, ["embeddings"]), device)
    return seconds, torch.from_numpy(found["embeddings"].values)


def _measured(work: Callable[[], tuple[float, torch.Tensor]]) -> Result:
    seconds, embeddings = work()
    return seconds, len(embeddings), peak_mb()


def in_its_own_process(work: Callable[[], tuple[float, torch.Tensor]]) -> Result:
    """What `work` gives, and the peak resident memory of a process that does nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_measured, work).result()


def compare(recording: Path, checkpoint: Path, device: torch.device) -> float:
    """Largest difference of the interface to the reference's way, as a share of the largest value."""
    signal = torch.from_numpy(soundfile.read(recording, RATE * COMPARED_SECONDS, dtype="float32")[0]).to(device)
    model = byols.load_model(checkpoint)
    found = byols.get_timestamp_embeddings(signal[None], model)[0][0]
    expected = reference_way(signal, model.to(device), mel_bands(device))
    return float((found - expected).abs().max() / expected.abs().max())


def least_cosine(recording: Path, checkpoint: Path, device: torch.device, precision: str) -> float:
    """Least cosine of the module's embeddings in `precision` to those in float32."""
    exact, rounded = (
        run_module(recording, checkpoint, device, number_format, 1000 * COMPARED_SECONDS)[1]
        for number_format in ("float32", precision)
    )
    return float(torch.cosine_similarity(exact, rounded).min())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    device = Compute.of(given.device).device
    print(describe_machine())
    heads = ("encoder", "path", "windows/s", "× real time", "ratio", "peak, MB")
    print("".join(f"{head:>14}" for head in heads), flush=True)
    with tempfile.TemporaryDirectory() as name:
        recording = Path(name, "noise.wav")
        make_recording(recording, given.minutes)
        for encoder in given.encoders:
            checkpoint = Path(name, f"{encoder}.pth")
            torch.manual_seed(0)
            torch.save(build(encoder).state_dict(), checkpoint)
            measure(encoder, recording, checkpoint, device)


def measure(encoder: str, recording: Path, checkpoint: Path, device: torch.device) -> None:
    """Prints an encoder's rows."""
    speeds = []
    for path, run in (("reference", run_reference), ("module", run_module)):
        seconds, windows, peak = in_its_own_process(partial(run, recording, checkpoint, device))
        speeds.append(windows / seconds)
        cells = f"{speeds[-1]:>14.1f}{speeds[-1] * 0.05:>14.2f}{speeds[-1] / speeds[0]:>14.2f}{peak:>14.0f}"
        print(f"{encoder:>14}{path:>14}{cells}", flush=True)
    print(
        f"{'':>14}largest relative difference of get_timestamp_embeddings: {compare(recording, checkpoint, device):.1e}"
    )
    for precision in ("bfloat16", "float16"):
        cosine = least_cosine(recording, checkpoint, device, precision)
        print(f"{'':>14}least cosine in {precision}: {cosine:.7f}", flush=True)


if __name__ == "__main__":
    main()
