"""The front of a wav2vec 2.0: signal → features for its transformer, of windows or of a recording's chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from novaspeech.arrays import FloatArray
from novaspeech.audio.signal import Signal
from novaspeech.audio.windows import Statistics, WindowBatch
from novaspeech.models.fast.convolutions import FirstConvolution, frame_geometry

# Maximum samples times channels in one pass through the convolutions on a CPU. After the first layer 1 s has 3,200
# steps of 512 channels, 6.5 MB: larger passes only fall out of its caches.
AT_ONCE = 80_000 * 512


class SignalFront:
    """Signal → features: normalisation and the convolutions of wav2vec 2.0 (arXiv 2006.11477) or one of its kin.

    Each window is normalised on its own, a chunk by `statistics_of` its recording, so that neighbouring chunks agree:
    mean and variance of the signal, and with a group norm those of the first convolution's outputs, too.

    Args:
        convolutions: signals (B, N), with a group norm also weights and shifts → features (B, C, F); see
            `ChannelsLastConvolutions`.
        first: the first convolution of a model with a group norm, else None.

    Attributes:
        sampling_rate: sampling rate of the signal, in Hz.
        frame_hop, frame_length: samples from one frame to the next, and samples that a frame is computed from.
    """

    def __init__(
        self,
        config: Any,
        extractor: Any,
        convolutions: Callable[..., torch.Tensor],
        first: FirstConvolution | None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.sampling_rate = int(extractor.sampling_rate)
        self.frame_hop, self.frame_length = frame_geometry(config)
        self._at_once = AT_ONCE // max(config.conv_dim)
        self.convolutions, self.first = convolutions, first
        self._standardised, self._device, self._dtype = bool(extractor.do_normalize), device, dtype
        if first is not None and device.type != "mps":  # MPS has no float64
            first.to(device)

    def frame_count(self, samples: int) -> int:
        """Number of frames of a window."""
        return (samples - self.frame_length) // self.frame_hop + 1

    def samples_used(self, samples: int) -> int:
        return (self.frame_count(samples) - 1) * self.frame_hop + self.frame_length

    def statistics_of(self, signal: Signal) -> Statistics:
        """Mean and deviation (1,) of a recording; with a group norm weights (1, kernel, C) and shifts (1, C), too."""
        first = self.first
        if not self._standardised and first is None:
            return ()
        found = SignalStatistics(first.kernel, first.stride) if first else SignalStatistics()
        for block in signal.blocks():
            found.add(block)
        mean, deviation = (found.mean, found.deviation) if self._standardised else (0.0, 1.0)
        level = torch.tensor([mean]), torch.tensor([deviation])
        if first is None:
            return level
        moments = (found.window_mean - mean) / deviation, found.window_covariance / deviation**2
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


class SignalStatistics:
    """Mean and variance of a recording, and of a first convolution's inputs from it; NaN does not count.

    Args:
        kernel, stride: size and stride of that convolution, in samples; kernel 0 means none.
    """

    def __init__(self, kernel: int = 0, stride: int = 1) -> None:
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
        if self._kernel:
            self._add_windows(np.concatenate([self._rest, samples]))

    def _add_windows(self, signal: np.ndarray) -> None:
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
    def deviation(self) -> float:
        """Divisor of the samples, as in `Wav2Vec2FeatureExtractor`."""
        variance = max(0.0, self._squares / max(1.0, self._count) - self.mean**2)
        return float((variance + 1e-7) ** 0.5)

    @property
    def window_mean(self) -> np.ndarray:
        """Mean of the convolution's inputs, (kernel,) float64."""
        return self._window_sum / max(1, self._windows)

    @property
    def window_covariance(self) -> np.ndarray:
        """Covariance of the convolution's inputs, (kernel, kernel) float64."""
        return self._products / max(1, self._windows) - np.outer(self.window_mean, self.window_mean)
