"""The public way of each module: extractor and model as their authors publish them, over windows cut one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch
from transformers import AutoFeatureExtractor, AutoModel, AutoModelForAudioXVector

import byols
from benchmarks.windows import RATE
from emow2v.network import SCORES, EmotionModel
from novaspeech.arrays import FloatArray

Run = Callable[[], dict[str, FloatArray]]
Network = Callable[[Any], dict[str, torch.Tensor]]  # what an extractor gives of a batch → name of each output → (B, D)
BYOLS_BATCH = 512  # as serab-byols has it


def transformers_way(
    load: Callable[[Path, torch.device], Network],
    folder: Path,
    device: torch.device,
    windows: Sequence[FloatArray],
    batch: int,
) -> Run:
    """The extractor and model of transformers on so many windows at once, in float32."""
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    network = load(folder, device)

    def run() -> dict[str, FloatArray]:
        parts = []
        for begin in range(0, len(windows), batch):
            features = extractor(windows[begin : begin + batch], sampling_rate=RATE, return_tensors="pt").to(device)
            with torch.no_grad():
                parts.append({name: rows.cpu().numpy() for name, rows in network(features).items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return run


def mean_hidden_states(folder: Path, device: torch.device) -> Network:
    """Mean over time of the last hidden states."""
    model = AutoModel.from_pretrained(folder).to(device).eval()
    return lambda features: {"embeddings": model(**features).last_hidden_state.mean(1)}


def emotions(folder: Path, device: torch.device) -> Network:
    """The model class that the emotion model's authors publish with it."""
    model = EmotionModel.from_pretrained(folder).to(device).eval()
    model.standardised = False  # the extractor does it

    def run(features: Any) -> dict[str, torch.Tensor]:
        pooled, scores = model(features.input_values)
        return {"embedding": pooled} | dict(zip(SCORES, scores.chunk(len(SCORES), dim=1), strict=True))

    return run


def x_vectors(folder: Path, device: torch.device) -> Network:
    """x-vectors of unit length."""
    model = AutoModelForAudioXVector.from_pretrained(folder).to(device).eval()

    def run(features: Any) -> dict[str, torch.Tensor]:
        return {"embeddings": torch.nn.functional.normalize(model(features.input_values).embeddings, dim=-1)}

    return run


def byols_way(checkpoint: Path, device: torch.device, windows: Sequence[FloatArray], batch: int) -> Run:
    """That of serab-byols: all spectrograms, then the plain network on 512 at once, whatever `batch` is."""
    network = byols.load_model(checkpoint).to(device)
    bands = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64, fmin=60, fmax=7800, htk=True, norm=None)
    mel, taper = torch.from_numpy(bands).to(device), torch.hann_window(400, device=device)

    def run() -> dict[str, FloatArray]:
        frames = torch.from_numpy(np.stack(windows)).to(device)
        spectrum = torch.stft(frames, 1024, 160, 400, taper, center=True, pad_mode="reflect", return_complex=True)
        power = spectrum.abs().pow(2)
        del spectrum
        log_mel = ((power.transpose(1, 2) @ mel.T).transpose(1, 2) + torch.finfo(torch.float32).eps).log()
        log_mel = (log_mel - log_mel.mean() / len(frames)) / (log_mel.std() / len(frames))
        with torch.no_grad():
            rows = torch.cat([network(part) for part in torch.split(log_mel.unsqueeze(1), BYOLS_BATCH)])
        return {"embeddings": rows.cpu().numpy()}

    return run
