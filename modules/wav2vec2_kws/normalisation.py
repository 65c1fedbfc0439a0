"""What wav2vec 2.0 takes from the whole of its input, found block by block."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from novaspeech.arrays import FloatArray
from novaspeech.models.wav2vec2 import fast_convolutions


class WholeStatistics:
    """Mean and variance of a recording, and of the windows that the first convolution sees.

    A convolution is linear: the mean and variance of all its outputs follow from the mean and the covariance of its
    windows, a matrix of 10 × 10 as published. Windows that hold NaN are left out.

    Args:
        kernel, stride: the convolution's, in samples.
    """

    def __init__(self, kernel: int, stride: int) -> None:
        self._kernel, self._stride = kernel, stride
        self._rest = np.zeros(0, np.float64)
        self._count = self._sum = self._squares = 0.0
        self._windows = 0
        self._window_sum = np.zeros(kernel)
        self._products = np.zeros((kernel, kernel))

    def add(self, block: FloatArray) -> None:
        """Takes the recording's next samples (n,)."""
        samples = block.astype(np.float64)
        finite = samples[np.isfinite(samples)]
        self._count += len(finite)
        self._sum += finite.sum()
        self._squares += np.square(finite).sum()
        signal = np.concatenate([self._rest, samples])
        count = max(0, (len(signal) - self._kernel) // self._stride + 1)
        if count:
            windows = np.lib.stride_tricks.sliding_window_view(signal, self._kernel)[:: self._stride]
            windows = windows[np.isfinite(windows).all(axis=1)]
            self._windows += len(windows)
            self._window_sum += windows.sum(axis=0)
            self._products += windows.T @ windows
        self._rest = signal[count * self._stride :]

    @property
    def mean(self) -> float:
        """Mean of the samples; 0 where there are none."""
        return self._sum / max(1.0, self._count)

    @property
    def variance(self) -> float:
        """Variance of the samples."""
        return max(0.0, self._squares / max(1.0, self._count) - self.mean**2)

    @property
    def deviation(self) -> float:
        """Divisor of the samples, as in `Wav2Vec2FeatureExtractor`."""
        return float((self.variance + 1e-7) ** 0.5)

    @property
    def window_mean(self) -> np.ndarray:
        """(kernel,) float64."""
        return self._window_sum / max(1, self._windows)

    @property
    def window_covariance(self) -> np.ndarray:
        """(kernel, kernel) float64."""
        return self._products / max(1, self._windows) - np.outer(self.window_mean, self.window_mean)


def with_fixed_norm(extractor: Any, config: Any, statistics: WholeStatistics, standardised: bool) -> Any:
    """Convolutions whose group norm uses the statistics of a whole recording: folded into the first one's weights.

    Args:
        extractor: `feature_extractor` of a transformers `Wav2Vec2Model` with feat_extract_norm="group".
        config: that model's.
        statistics: those of the recording as it is.
        standardised: whether the model hears it standardised.
    """
    mean, covariance = statistics.window_mean, statistics.window_covariance
    if standardised:
        mean = (mean - statistics.mean) / statistics.deviation
        covariance = covariance / statistics.deviation**2
    fixed, plain = copy.deepcopy(extractor).float().cpu(), copy.copy(config)
    first = fixed.conv_layers[0]
    exact = copy.deepcopy(first).double().requires_grad_(False)
    weight, norm = exact.conv.weight[:, 0], exact.layer_norm  # (C, kernel)
    bias = torch.zeros(len(weight)) if exact.conv.bias is None else exact.conv.bias
    variance = torch.einsum("ck,kl,cl->c", weight, torch.from_numpy(covariance), weight)
    scale = norm.weight / (variance + norm.eps).sqrt()
    shift = norm.bias - scale * (weight @ torch.from_numpy(mean) + bias)
    first.conv.weight = nn.Parameter((weight * scale[:, None])[:, None].float())
    first.conv.bias = nn.Parameter((bias * scale + shift).float())
    first.layer_norm = nn.Identity()
    plain.feat_extract_norm = "layer"  # no norm is left that looks along time
    return fast_convolutions(fixed, plain)
