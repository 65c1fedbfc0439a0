"""The convolution module of a Conformer (Gulati et al. 2020, arXiv 2005.08100), as w2v-BERT 2.0 has it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from novaspeech.models.fast.relative_key import ALIGNED

BLOCK = 64  # frames of one product


class ConvolutionModule(nn.Module):
    """A transformers `Wav2Vec2BertConvolutionModule`: same weights, same numbers up to rounding.

    Channels stay side by side, and convolutions over single frames are matrix products: cuDNN takes four times as long
    for them in bfloat16. On an H100 the whole network is 1.9 times as fast.

    Args:
        module: the transformers module, with a stride of 1 and without biases.
    """

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.layer_norm, self.depthwise_layer_norm = module.layer_norm, module.depthwise_layer_norm
        self.activation, self.depthwise_conv = module.activation, module.depthwise_conv
        self.first, self.last = (
            nn.Parameter(convolution.weight.detach().squeeze(2))
            for convolution in (module.pointwise_conv1, module.pointwise_conv2)
        )

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """(B, F, D) → (B, F, D); `attention_mask` (B, F) is 0 or False for padding."""
        hidden = self.layer_norm(hidden_states)
        if attention_mask is not None:
            hidden = hidden.masked_fill(~attention_mask.bool().unsqueeze(-1), 0)
        hidden = functional.glu(functional.linear(hidden, self.first), dim=-1)
        if hidden.is_cuda:
            hidden = causal(hidden, self.depthwise_conv.weight.squeeze(1))
        else:
            before = functional.pad(hidden.mT, (self.depthwise_conv.kernel_size[0] - 1, 0))
            hidden = self.depthwise_conv(before).mT
        hidden = self.activation(self.depthwise_layer_norm(hidden))
        return functional.linear(hidden, self.last)


def causal(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Frames (B, F, C) convolved with a filter (C, K) for each channel, which ends with the frame itself: (B, F, C).

    A block of outputs is the product of its input frames with a Toeplitz matrix of the filter. Most of that matrix is
    zeros, but a GPU's matrix units have time for them.
    """
    (batch, frames, channels), kernel = hidden.shape, weight.shape[1]
    block = min(BLOCK, frames + -frames % ALIGNED)
    width = block + kernel - 1
    width += -width % ALIGNED
    count = -(-frames // block)
    padded = hidden.new_zeros(channels, batch, (count - 1) * block + width)
    padded[..., kernel - 1 : kernel - 1 + frames] = hidden.permute(2, 0, 1)
    blocks = padded.unfold(2, width, block).reshape(channels, batch * count, width)
    toeplitz = weight.new_zeros(channels, block, width)
    diagonals = toeplitz.as_strided((channels, block, kernel), (block * width, width + 1, 1))
    diagonals.copy_(weight.unsqueeze(1).expand_as(diagonals))
    found = torch.bmm(blocks, toeplitz.mT).view(channels, batch, count * block)
    return found.permute(1, 2, 0)[:, :frames]
