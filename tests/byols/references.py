"""BYOL-S without anything of ours but the plain networks: librosa's spectrogram of one signal at a time."""

import librosa
import numpy as np
import torch

from byols.base import Network


def log_mel(signal: np.ndarray) -> np.ndarray:
    """(N,) → (64, 1 + N // 160) float32."""
    mel = librosa.feature.melspectrogram(
        y=signal, sr=16000, n_fft=1024, win_length=400, hop_length=160, center=True, pad_mode="reflect", power=2.0,
        n_mels=64, fmin=60, fmax=7800, htk=True, norm=None,
    )  # fmt: skip
    return np.log(mel + np.finfo(np.float32).eps).astype(np.float32)


def embed(network: Network, spectrograms: list[np.ndarray], mean: float, deviation: float) -> np.ndarray:
    """(B, D), one spectrogram at a time."""
    with torch.no_grad():
        rows = [network(torch.from_numpy((one - mean) / deviation).float()[None, None]) for one in spectrograms]
    return torch.cat(rows).numpy()
