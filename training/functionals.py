"""How something is said, in some dozens of numbers: pitch, loudness, spectrum, and how much they change.

The idea and most of the measures are those of the minimalistic acoustic parameter sets for voice research (GeMAPS,
Eyben et al. 2016), computed in a plain way for many signals at once.
"""

from __future__ import annotations

from functools import cache

import librosa
import numpy as np
import torch

from training.speech import RATE

_LENGTH, _HOP, _FFT = 640, 160, 2048  # samples: 40 ms hold two periods of 50 Hz
_LOWEST, _HIGHEST = 60.0, 500.0  # Hz, of a voice
_VOICED = 0.5  # of an autocorrelation
_ACTIVE_DB = 25.0  # below the loudest frame
_MELS, _CEPSTRA = 26, 12


@cache
def _mel_and_cosines() -> tuple[torch.Tensor, torch.Tensor]:
    mel = librosa.filters.mel(sr=RATE, n_fft=_FFT, n_mels=_MELS, fmax=RATE / 2)
    places = (np.arange(_MELS) + 0.5) / _MELS
    cosines = np.cos(np.pi * np.outer(np.arange(1, _CEPSTRA + 1), places)) / _MELS
    return torch.from_numpy(mel), torch.from_numpy(cosines.astype(np.float32))


def functionals(signals: torch.Tensor) -> torch.Tensor:
    """(B, K) of signals (B, N) at 16 kHz, of a second or more."""
    tracks, voiced, active = _tracks(signals)
    pitch = tracks[:, 0]
    found = [_mean(voiced, torch.ones_like(voiced)), *_moments(pitch, voiced), *_changes(pitch, voiced)]
    found += [_quantile(pitch, voiced, share) for share in (0.1, 0.9)]
    loudness = tracks[:, 1]
    found += [_moments(loudness, active)[1], *_changes(loudness, active)]
    found += [_quantile(loudness, active, share) - loudness.amax(dim=1) for share in (0.2, 0.5)]
    for track in tracks[:, 2:6].unbind(dim=1):
        found += [*_moments(track, active), *_moments(track, voiced)]
    for track in tracks[:, 6:].unbind(dim=1):
        found += [*_moments(track, active), *_changes(track, active)]
    return torch.stack(found, dim=1)


def count_of_functionals() -> int:
    """K."""
    return functionals(torch.zeros(1, RATE)).shape[1]


def _tracks(signals: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What changes from frame to frame (B, 18, F), and which frames have a voice and some sound (B, F)."""
    frames = signals.unfold(1, _LENGTH, _HOP) * torch.hann_window(_LENGTH)
    power = torch.fft.rfft(frames, _FFT).abs().square()
    # The window's own autocorrelation is taken out, so that a long period counts as much as a short one.
    window = torch.fft.irfft(torch.fft.rfft(torch.hann_window(_LENGTH), _FFT).abs().square())
    same = torch.fft.irfft(power)
    first, last = int(RATE / _HIGHEST), int(RATE / _LOWEST)
    likeness = same[..., first:last] / (same[..., :1] + 1e-9) / (window[first:last] / window[0])
    harmonic, lag = likeness.max(dim=-1)
    pitch = 12 * torch.log2(RATE / (lag + first) / 100)
    energy = power.sum(dim=-1)
    loudness = 10 * torch.log10(energy + 1e-7)
    active = (loudness > loudness.amax(dim=1, keepdim=True) - _ACTIVE_DB).float()
    voiced = active * (harmonic > _VOICED)
    frequencies = torch.linspace(0, RATE / 2, power.shape[-1])
    centroid = torch.log2((power.sqrt() @ frequencies) / (power.sqrt().sum(dim=-1) + 1e-9) + 1)
    alpha = _ratio_db(power, frequencies, 50, 1000, 5000)
    hammarberg = _ratio_db(power, frequencies, 0, 500, 1000)
    noise = 10 * torch.log10(harmonic.clamp(0.01, 0.99) / (1 - harmonic.clamp(0.01, 0.99)))
    mel, cosines = _mel_and_cosines()
    cepstra = torch.log(power @ mel.T + 1e-7) @ cosines.T
    tracks = torch.stack([pitch, loudness, centroid, alpha, hammarberg, noise], dim=1)
    return torch.cat([tracks, cepstra.transpose(1, 2)], dim=1), voiced, active


def _ratio_db(power: torch.Tensor, frequencies: torch.Tensor, low: float, middle: float, high: float) -> torch.Tensor:
    below = power[..., (frequencies >= low) & (frequencies < middle)].sum(dim=-1)
    above = power[..., (frequencies >= middle) & (frequencies < high)].sum(dim=-1)
    return 10 * torch.log10((below + 1e-7) / (above + 1e-7))


def _mean(track: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (track * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def _moments(track: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
    """Mean and standard deviation over frames."""
    mean = _mean(track, mask)
    return [mean, _mean((track - mean[:, None]).square(), mask).sqrt()]


def _changes(track: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
    """Mean size of a step between two frames."""
    return [_mean(track.diff(dim=1).abs(), mask[:, 1:] * mask[:, :-1])]


def _quantile(track: torch.Tensor, mask: torch.Tensor, share: float) -> torch.Tensor:
    hidden = torch.where(mask > 0, track, torch.nan)
    return torch.nanquantile(hidden, share, dim=1).nan_to_num()
