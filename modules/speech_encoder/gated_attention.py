"""Self-attention with gated relative position bias, as WavLM has it (Chen et al. 2021, arXiv 2110.13900, section 3)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from novaspeech.models.fast.attention import attend


def gate_positions(network: Any) -> None:
    """Lets a transformers `WavLMModel` compute the same without its table of attention weights."""
    for layer in network.encoder.layers:
        layer.attention = GatedAttention(layer.attention)


class GatedAttention(nn.Module):
    """A transformers `WavLMAttention` with the same weights, and the same numbers up to rounding.

    transformers' own computes the weights of all pairs of frames, and gives their mean over the heads, too.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.heads, self.head_size = attention.num_heads, attention.head_dim
        self.q_proj, self.k_proj = attention.q_proj, attention.k_proj
        self.v_proj, self.out_proj = attention.v_proj, attention.out_proj
        self.gru_rel_pos_linear, self.gru_rel_pos_const = attention.gru_rel_pos_linear, attention.gru_rel_pos_const
        if hasattr(attention, "rel_attn_embed"):  # only the first layer has it, for all layers
            self.rel_attn_embed, self._bucket = attention.rel_attn_embed, attention._relative_positions_bucket

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_bias: torch.Tensor | None = None,
        **unused: object,
    ) -> tuple[torch.Tensor, None, torch.Tensor]:
        """Hidden states (B, F, D) → (B, F, D), None in place of the weights, and the bias (H, F, F) for later layers.

        Args:
            attention_mask: (B, F), 1 for frames that count; None if all do.
            position_bias: the bias that the first layer gave.
        """
        batch, frames, _ = hidden_states.shape
        if position_bias is None:
            position_bias = self._position_bias(frames)
        by_head = hidden_states.view(batch, frames, self.heads, self.head_size)
        gates = self.gru_rel_pos_linear(by_head).view(batch, frames, self.heads, 2, 4).sum(-1).sigmoid().transpose(1, 2)
        first, second = gates.chunk(2, dim=-1)  # (B, H, F, 1)
        factors = first * (second * self.gru_rel_pos_const - 1) + 2

        def bias_of(rows: slice, heads: slice) -> torch.Tensor:
            bias: torch.Tensor = factors[rows, heads] * position_bias[heads]
            if attention_mask is None:
                return bias
            return bias.masked_fill(attention_mask[rows, None, None].ne(1), -torch.inf)

        projected = (project(hidden_states) for project in (self.q_proj, self.k_proj, self.v_proj))
        queries, keys, values = (
            part.view(batch, frames, self.heads, self.head_size).transpose(1, 2) for part in projected
        )
        attended = attend(queries, keys, values, bias_of)
        return self.out_proj(attended), None, position_bias

    def _position_bias(self, frames: int) -> torch.Tensor:
        """Bias (H, F, F), which depends on the distance from query to key."""
        indices = torch.arange(frames, device=self.rel_attn_embed.weight.device)
        by_distance = self.rel_attn_embed(self._bucket(torch.arange(1 - frames, frames, device=indices.device)))
        bias: torch.Tensor = by_distance.T[:, indices[None] - indices[:, None] + frames - 1]
        return bias
