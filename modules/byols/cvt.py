"""The convolutional vision transformer among the encoders of BYOL-S (Wu et al. 2021, arXiv 2103.15808)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from byols.base import Network, mel_and_channels

Layer = Callable[[torch.Tensor], torch.Tensor]  # the type of a module that is called


class ChannelNorm(nn.Module):
    """Normalises over the channels of each place (B, C, mel, time) by deviation + eps, as the published model does."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.b = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        variance, mean = torch.var_mean(features, dim=1, correction=0, keepdim=True)
        return (features - mean) / (variance.sqrt() + 1e-5) * self.g + self.b


class PreNorm(nn.Module):
    """Features plus `fn` of the normalised features."""

    def __init__(self, channels: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm: Layer = ChannelNorm(channels)
        self.fn: Layer = fn

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features + self.fn(self.norm(features))


class Projection(nn.Module):
    """Depthwise 3×3 convolution, batch norm, and a linear layer at each place."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.net: Layer = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 1, bias=False),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.net(features)


class Attention(nn.Module):
    """Attention of every place to every other one; keys and values at half the resolution."""

    head_size: ClassVar[int] = 64

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        inner = heads * self.head_size
        self.to_q = Projection(channels, inner, stride=1)
        self.to_kv = Projection(channels, 2 * inner, stride=2)
        self.to_out: Layer = nn.Sequential(nn.Conv2d(inner, channels, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        queries = self.to_q(features)
        keys, values = self.to_kv(features).chunk(2, dim=1)
        found = functional.scaled_dot_product_attention(
            self._by_head(queries), self._by_head(keys), self._by_head(values)
        )
        batch, _, mel, time = features.shape
        return self.to_out(found.transpose(1, 2).reshape(batch, mel, time, -1).permute(0, 3, 1, 2))

    def _by_head(self, features: torch.Tensor) -> torch.Tensor:
        """(B, heads * 64, mel, time) → (B, heads, mel * time, 64)."""
        batch, channels, mel, time = features.shape
        # The heads lie side by side, or torch would hold all scores (positions, positions) at once.
        positions = features.permute(0, 2, 3, 1).contiguous()
        return positions.reshape(batch, mel * time, channels // self.head_size, self.head_size).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers at each place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net: Layer = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, 1), nn.GELU(), nn.Dropout(0.0), nn.Conv2d(4 * channels, channels, 1)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.net(features)


class Transformer(nn.Module):
    """A layer of attention and feed-forward."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        layer = (PreNorm(channels, Attention(channels, heads)), PreNorm(channels, FeedForward(channels)))
        self.layers: Layer = nn.Sequential(nn.Sequential(*layer))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layers(features)


class CvT(Network):
    """Three stages of one transformer layer each, the resolution halved from one to the next.

    Rows depend on the whole spectrogram, and its attention takes time by the square of T.
    """

    stride = 16

    def __init__(self) -> None:
        super().__init__()
        stages = []
        inputs = 1
        for channels, kernel, stride, heads in ((64, 7, 4, 1), (256, 3, 2, 3), (512, 3, 2, 6)):
            embedding = nn.Conv2d(inputs, channels, kernel, stride, padding=kernel // 2)
            stages.append(nn.Sequential(embedding, ChannelNorm(channels), Transformer(channels, heads)))
            inputs = channels
        self.layers = nn.Sequential(*stages)

    def rows(self, log_mel: torch.Tensor) -> torch.Tensor:
        return mel_and_channels(self.layers(log_mel))
