"""The front of a wav2vec 2.0: signal → features for its transformer, of windows or of a recording's chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from novaspeech.audio.signal import Signal
from novaspeech.audio.windows import Statistics, WindowBatch
from novaspeech.models.compute import Compute
from novaspeech.models.fast.convolutions import FirstConvolution, frame_geometry
from novaspeech.models.frames import Front

Convolve = Callable[..., torch.Tensor]

# Maximum samples times channels in one pass through the convolutions on a CPU. After the first layer 1 s has 3,200
# steps of 512 channels, 6.5 MB: larger passes only fall out of its caches.
AT_ONCE = 80_000 * 512


class SignalFront(Front):
    """Signal → features: normalisation and the convolutions of wav2vec 2.0 (arXiv 2006.11477) or one of its kin.

    Each window is normalised on its own, a chunk by `statistics_of` its recording, so that neighbouring chunks agree:
    mean and variance of the signal, and with a group norm those of the first convolution's outputs, too.

    Args:
        convolutions: signals (B, N), with a group norm also weights and shifts → features (B, C, F); see
            `ChannelsLastConvolutions`.
        first: the first convolution of a model with a group norm, else None.
    """

    def __init__(
        self, config: Any, extractor: Any, convolutions: Convolve, first: FirstConvolution | None, compute: Compute
    ) -> None:
        self.sampling_rate = int(extractor.sampling_rate)
        self.frame_hop, self.frame_length = frame_geometry(config)
        self._at_once = AT_ONCE // max(config.conv_dim)
        self.convolutions, self.first = convolutions, first
        self._standardised, self._device, self._dtype = bool(extractor.do_normalize), compute.device, compute.dtype
        if first is not None and compute.device.type != "mps":  # MPS has no float64
            first.to(compute.device)

    def statistics_of(self, signal: Signal) -> Statistics:
        """Mean and deviation (1,) of a recording; with a group norm weights (1, kernel, C) and shifts (1, C), too."""
        first = self.first
        if not self._standardised and first is None:
            return ()
        kernel, stride = (first.kernel, first.stride) if first else (0, 1)
        mean, deviation, input_mean, input_covariance = moments_of(signal, kernel, stride)
        if not self._standardised:
            mean, deviation = 0.0, 1.0
        level = torch.tensor([mean]), torch.tensor([deviation])
        if first is None:
            return level
        moments = (input_mean - mean) / deviation, input_covariance / deviation**2
        return (*level, *first.folded(*(torch.from_numpy(part[None]).to(first.weight.device) for part in moments)))

    def __call__(self, batch: WindowBatch) -> torch.Tensor:
        """Features (B, C, F) of windows, or of chunks with `statistics_of` their recording; without NaN."""
        signal, first = batch.windows, batch.statistics[2:]
        if batch.statistics:
            mean, deviation = batch.statistics[:2]
            signal = (signal - mean.unsqueeze(1)) / deviation.unsqueeze(1)
        elif self._standardised:
            signal = standardise(signal)
        size = len(signal) if self._device.type != "cpu" else max(1, self._at_once // batch.length)
        starts = range(0, len(signal), size)
        parts = [
            self._convolve(signal[at : at + size], *(one if len(one) == 1 else one[at : at + size] for one in first))
            for at in starts
        ]
        return torch.cat(parts)

    def _convolve(self, signal: torch.Tensor, *fixed: torch.Tensor) -> torch.Tensor:
        """Features (B, C, F) of signals (B, N), piece by piece: a frame needs only its own samples.

        Args:
            fixed: weights and shifts of a first convolution with a group norm; if absent, each signal's own.
        """
        first: tuple[torch.Tensor, ...] = ()
        if self.first is not None:
            weight, shift = fixed or self.first.of_windows(signal)
            count = len(signal)
            first = weight.to(self._dtype).expand(count, -1, -1), shift.to(self._dtype).expand(count, -1)
        signal, count = signal.to(self._dtype), self.frame_count(signal.shape[1])
        step, rest = max(1, self._at_once // self.frame_hop), self.frame_length - self.frame_hop
        pieces = []
        for begin in range(0, count, step):
            end = min(begin + step, count)
            piece = signal[:, begin * self.frame_hop : end * self.frame_hop + rest]
            pieces.append(self.convolutions(piece, *first))
        return torch.cat(pieces, dim=2)


def standardise(windows: torch.Tensor) -> torch.Tensor:
    """Windows (B, N) float32 with zero mean and unit variance each, as `Wav2Vec2FeatureExtractor` makes them."""
    variance, mean = torch.var_mean(windows, dim=1, keepdim=True, correction=0)
    return (windows - mean) / torch.sqrt(variance + 1e-7)


def moments_of(signal: Signal, kernel: int, stride: int) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Moments of a recording and of a convolution's inputs from it; NaN and infinite samples do not count.

    Args:
        kernel, stride: size and stride of the convolution, in samples; kernel 0 means none.

    Returns:
        mean of the samples; their divisor, as in `Wav2Vec2FeatureExtractor`; mean (kernel,) and covariance
        (kernel, kernel) of the convolution's inputs, float64.
    """
    count, total, squares, rest = 0, 0.0, 0.0, np.zeros(0)
    inputs, input_total, products = 0, np.zeros(kernel), np.zeros((kernel, kernel))
    for block in signal.blocks():
        samples = block.astype(np.float64)
        finite = samples[np.isfinite(samples)]
        count += len(finite)
        total += finite.sum()
        squares += np.square(finite).sum()
        rest = np.concatenate([rest, samples]) if kernel else rest
        if len(rest) >= kernel > 0:
            windows = np.lib.stride_tricks.sliding_window_view(rest, kernel)[::stride]
            rest = rest[len(windows) * stride :]
            windows = windows[np.isfinite(windows).all(axis=1)]
            inputs += len(windows)
            input_total += windows.sum(axis=0)
            products += windows.T @ windows
    mean, input_mean = total / max(1, count), input_total / max(1, inputs)
    variance = max(0.0, squares / max(1, count) - mean**2)
    covariance = products / max(1, inputs) - np.outer(input_mean, input_mean)
    return mean, float((variance + 1e-7) ** 0.5), input_mean, covariance
