"""wav2vec 2.0 and its kin over windows, and over chunks of a recording as if all of it were heard at once."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from novaspeech.arrays import FloatArray
from novaspeech.models.wav2vec2 import fast_convolutions, frame_geometry, prepare_for_inference, standardise

_PIECE = 250  # frames of a chunk that pass the convolutions at once, 5 s as published


class SignalNetwork:
    """A network of transformers that hears raw signal: wav2vec 2.0 (arXiv 2006.11477) or one of its kin.

    Windows are normalised each on its own. After `hear` it takes chunks of a recording: what the network takes from the
    whole of its input (the signal's mean and variance; where there is a group norm those of the first convolution, too)
    is then that of the recording, so that neighbouring chunks agree.

    Args:
        network: is changed; it takes features then, not signal.
        standardised: whether it hears zero mean and unit variance.
        device, dtype: where and in which number format it computes.

    Attributes:
        network: the same, on its device.
        frame_hop, frame_length: samples from one hidden state to the next, and that one is computed from.
    """

    def __init__(self, network: Any, standardised: bool, device: torch.device, dtype: torch.dtype) -> None:
        grouped = getattr(network.config, "feat_extract_norm", "layer") == "group"
        self._plain = network.feature_extractor if grouped else None  # whose norm a recording's statistics replace
        prepare_for_inference(network)
        self._convolutions = network.feature_extractor.to(device, dtype)
        network.feature_extractor = nn.Identity()
        self.network = network.to(device, dtype)
        self.frame_hop, self.frame_length = frame_geometry(network.config)
        self._standardised, self._device, self._dtype = standardised, device, dtype
        self._statistics: WholeStatistics | None = None  # of a recording

    def hear(self, blocks: Iterable[FloatArray]) -> SignalNetwork:
        """The network for chunks of a recording, given as consecutive pieces (n,) float32 with NaN."""
        config, heard = self.network.config, copy.copy(self)
        heard._statistics = statistics = WholeStatistics(config.conv_kernel[0], config.conv_stride[0])
        for block in blocks:
            statistics.add(block)
        if self._plain is not None:
            fixed = with_fixed_norm(self._plain, config, statistics, self._standardised)
            heard._convolutions = fixed.to(self._device, self._dtype)
        return heard

    def __call__(self, signal: torch.Tensor, **wanted: bool) -> Any:
        """What transformers gives of windows, or of chunks after `hear`: signals (B, N) float32 without NaN."""
        statistics = self._statistics
        if self._standardised and statistics is None:
            signal = standardise(signal)
        elif self._standardised and statistics is not None:
            signal = (signal - statistics.mean) / statistics.deviation
        signal = signal.to(self._dtype)
        features = self._convolutions(signal) if statistics is None else self._convolve(signal)
        return self.network(features, **wanted)

    def _convolve(self, signal: torch.Tensor) -> torch.Tensor:
        """Features (B, C, F) of signals (B, N), piece by piece, since no frame needs more than its own samples."""
        count = (signal.shape[1] - self.frame_length) // self.frame_hop + 1
        rest = self.frame_length - self.frame_hop
        pieces = []
        for begin in range(0, count, _PIECE):
            end = min(begin + _PIECE, count)
            pieces.append(self._convolutions(signal[:, begin * self.frame_hop : end * self.frame_hop + rest]))
        return torch.cat(pieces, dim=2)


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
