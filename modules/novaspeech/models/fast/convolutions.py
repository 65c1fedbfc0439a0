"""The convolutions of a wav2vec 2.0 (Baevski et al. 2020, arXiv 2006.11477) as matrix products."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

EPSILON = 1e-5  # torch.nn.GroupNorm's, which no configuration changes


def frame_geometry(config: Any) -> tuple[int, int]:
    """Samples from one hidden state to the next, and samples that one is computed from: 320 and 400 as published."""
    hop, length = 1, 1
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        length += (kernel - 1) * hop
        hop *= stride
    return hop, length


def has_group_norm(config: Any) -> bool:
    """Whether the norm after the first convolution is over time; data2vec has layer norms only."""
    return getattr(config, "feat_extract_norm", "layer") == "group"


class ChannelsLastConvolutions(nn.Module):
    """The convolutions of a wav2vec 2.0 as matrix products over (time, channels).

    Same weights, same numbers up to the order of summation. All windows lie one after the other in one matrix, each
    padded to whole hops, so that a layer's stride is a reshape, and a kernel longer than its stride takes its rest from
    the next row. Layer norms then find their channels side by side. No group norm is left: `FirstConvolution` makes it
    a part of the first product's weights, which are given with the windows.
    """

    def __init__(self, extractor: Any, config: Any) -> None:
        super().__init__()
        self.hop, self.length = frame_geometry(config)
        self.layers = nn.ModuleList(_Layer(layer) for layer in extractor.conv_layers)
        if has_group_norm(config):
            self.layers[0].layer_norm = nn.Identity()

    def forward(
        self, signal: torch.Tensor, weight: torch.Tensor | None = None, shift: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Features (B, C, F) of windows (B, N), in the layout that transformers expects.

        Args:
            weight, shift: weights (B, kernel, C) and shifts (B, C) of the first convolution for each window, by
                `FirstConvolution.folded`. Models with a group norm need them, others take none.
        """
        batch, samples = signal.shape
        hops = (samples + self.hop - 1) // self.hop
        rows = functional.pad(signal, (0, hops * self.hop - samples)).reshape(batch * hops * self.hop, 1)
        for layer in self.layers:
            rows = layer(rows, weight, shift)
            weight = shift = None
        frames = (samples - self.length) // self.hop + 1
        # narrow is no slice: an export could not know a slice's length.
        return rows.reshape(batch, hops, rows.shape[1]).narrow(1, 0, frames).transpose(1, 2)


class _Layer(nn.Module):
    """One convolution with its layer norm, if it has one, and activation: (rows, channels) → (rows / stride, channels).

    The last rows of a window reach into the next one; `ChannelsLastConvolutions` leaves out the frame that they end in.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.stride = layer.conv.stride[0]
        weight = layer.conv.weight.detach()  # (out, in, kernel)
        self.weight = nn.Parameter(weight.permute(2, 1, 0).reshape(-1, weight.shape[0]).contiguous())
        self.bias = layer.conv.bias
        self.layer_norm = getattr(layer, "layer_norm", nn.Identity())
        self.activation = layer.activation

    def forward(
        self, rows: torch.Tensor, weight: torch.Tensor | None = None, shift: torch.Tensor | None = None
    ) -> torch.Tensor:
        inputs = self._inputs(rows)
        if weight is not None and shift is not None:
            of_windows = inputs.reshape(weight.shape[0], -1, inputs.shape[1])
            result = torch.baddbmm(shift.unsqueeze(1), of_windows, weight).reshape(-1, weight.shape[2])
        else:
            result = inputs @ self.weight
            result = self.layer_norm(result if self.bias is None else result + self.bias)
        return self.activation(result)  # type: ignore[no-any-return]

    def _inputs(self, rows: torch.Tensor) -> torch.Tensor:
        """Inputs of each output, (rows / stride, kernel * channels)."""
        width, most = self.stride * rows.shape[1], self.weight.shape[0]
        blocks = rows.reshape(-1, width)
        pieces = [blocks[:, : min(width, most)]]
        for shift, begin in enumerate(range(width, most, width), 1):
            pieces.append(functional.pad(blocks[shift:, : min(width, most - begin)], (0, 0, 0, shift)))
        return torch.cat(pieces, dim=1) if len(pieces) > 1 else pieces[0]


class FirstConvolution(nn.Module):
    """A first convolution and the group norm after it (Wu and He 2018, arXiv 1803.08494), each channel a group.

    A convolution is linear: the mean and variance of all its outputs follow from the mean and the covariance of its
    inputs, vectors of `kernel` samples. So the norm can be known before, and be a part of the weights.

    Args:
        config: the model's `Wav2Vec2Config`.
        weight, scale, offset: filters (C, kernel), and what the norm multiplies by and adds, (C,). The convolution's
            bias is left out: the norm takes it off again.
    """

    weight: torch.Tensor
    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(self, config: Any, weight: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> None:
        super().__init__()
        self.kernel, self.stride = config.conv_kernel[0], config.conv_stride[0]
        for name, value in {"weight": weight, "scale": scale, "offset": offset}.items():
            self.register_buffer(name, value.detach().double())

    def folded(self, mean: torch.Tensor, covariance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights (B, kernel, C) and shifts (B, C) float32 that convolve and normalise at once.

        Args:
            mean, covariance: those of the convolution's inputs, (B, kernel) and (B, kernel, kernel) float64. A filter
                that cancels most of the signal leaves differences of large numbers, which float32 would lose.
        """
        variance = torch.einsum("ck,bkl,cl->bc", self.weight, covariance, self.weight)
        scale = self.scale / (variance + EPSILON).sqrt()
        shift = self.offset - scale * (mean @ self.weight.T)
        return (scale.unsqueeze(1) * self.weight.T).float(), shift.float()

    def of_windows(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`folded` for windows (B, N), each normalised on its own."""
        inputs = signal.to(self.weight.device, torch.float64).unfold(1, self.kernel, self.stride)  # (B, T, kernel)
        mean = inputs.mean(dim=1)
        centred = inputs - mean.unsqueeze(1)
        weight, shift = self.folded(mean, centred.transpose(1, 2) @ centred / inputs.shape[1])
        return weight.to(signal.device), shift.to(signal.device)
