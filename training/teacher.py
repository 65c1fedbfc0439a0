"""Resemblyzer's speaker encoder, to learn from (Wan et al. 2018, arXiv 1710.10467; Resemblyzer, Apache-2.0).

Three LSTM layers over mel spectrograms, of which each 1.6 s have a vector. The weights are in the package resemblyzer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from novaspeech.arrays import FloatArray
from training.packages import fetch
from training.speech import RATE

WIDTH = 256
_MELS, _WINDOW, _HOP = 40, 400, 160  # samples
_PARTIAL = 160  # frames
_LOUDNESS_DB = -30.0


class Teacher(nn.Module):
    """Mel spectrograms (B, T, 40) → unit vectors (B, 256)."""

    def __init__(self, packages: Path) -> None:
        super().__init__()
        self.lstm = nn.LSTM(_MELS, WIDTH, 3, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)
        file = fetch("pypi", "resemblyzer", packages) / "resemblyzer" / "pretrained.pt"
        weights = torch.load(file, map_location="cpu", weights_only=True)["model_state"]
        self.load_state_dict({name: value for name, value in weights.items() if name.startswith(("lstm", "linear"))})
        self.eval()

    @torch.inference_mode()
    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.lstm(mels)
        return functional.normalize(functional.relu(self.linear(hidden[-1])), dim=-1)

    def of(self, signals: Sequence[FloatArray]) -> FloatArray:
        """A unit vector (256,) for each signal of 1.6 s and more: the mean of its parts' vectors."""
        mels = [mel_of(signal) for signal in signals]
        parts = [part for mel in mels for part in _partials(mel)]
        counts = [len(_partials(mel)) for mel in mels]
        vectors = self(torch.from_numpy(np.stack(parts))).split(counts)
        return np.stack([functional.normalize(some.mean(0), dim=0).numpy() for some in vectors])


def mel_of(signal: FloatArray) -> FloatArray:
    """(T, 40), of a signal that is made as loud as the teacher knows them, if it is softer."""
    level = 10 * np.log10(np.mean(signal**2) + 1e-12)
    signal = signal * 10 ** (max(0.0, _LOUDNESS_DB - level) / 20)
    mel = librosa.feature.melspectrogram(y=signal, sr=RATE, n_fft=_WINDOW, hop_length=_HOP, n_mels=_MELS)
    return np.asarray(mel.T, np.float32)


def _partials(mel: FloatArray) -> list[FloatArray]:
    return [mel[start : start + _PARTIAL] for start in range(0, len(mel) - _PARTIAL + 1, _PARTIAL)]
