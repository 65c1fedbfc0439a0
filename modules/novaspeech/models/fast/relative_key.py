"""Self-attention with relative position embeddings (Shaw et al. 2018, arXiv 1803.02155), as w2v-BERT 2.0 has it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from novaspeech.models.fast.attention import attend

ALIGNED = 8  # elements: a GPU's matrix products want sizes and offsets that are multiples of it


def gather_positions(network: Any) -> None:
    """Lets a transformers `Wav2Vec2BertModel` compute the same without a table for all pairs of frames."""
    for layer in network.encoder.layers:
        if layer.self_attn.position_embeddings_type == "relative_key":
            layer.self_attn = RelativeKeyAttention(layer.self_attn)


class RelativeKeyAttention(nn.Module):
    """A transformers `Wav2Vec2BertSelfAttention` of the type "relative_key": same weights, same numbers up to rounding.

    transformers looks up an embedding for each pair of frames, (F, F, head_size), 576 MB at 30 s, and multiplies it
    with the queries. Distances are clamped, so that few embeddings exist (73 as published): here each query meets each
    of them once, and the products are gathered.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.heads, self.head_size = attention.num_heads, attention.head_size
        self.most_left = attention.left_max_position_embeddings
        self.most_right = attention.right_max_position_embeddings
        self.linear_q, self.linear_k = attention.linear_q, attention.linear_k
        self.linear_v, self.linear_out = attention.linear_v, attention.linear_out
        self.distance_embedding = attention.distance_embedding

    def forward(
        self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, **unused: object
    ) -> tuple[torch.Tensor, None]:
        """(B, F, D) → (B, F, D) and None for the weights; the mask is added to products, or False hides a frame."""
        batch, frames, _ = hidden_states.shape
        by_frame = [
            linear(hidden_states).view(batch, frames, self.heads, self.head_size)
            for linear in (self.linear_q, self.linear_k, self.linear_v)
        ]
        scale = self.head_size**-0.5
        table = functional.pad(
            self.distance_embedding.weight, (0, 0, 0, -self.distance_embedding.num_embeddings % ALIGNED)
        )
        products = (by_frame[0] @ (table * scale).T).transpose(1, 2)
        # An export could not follow diagonals.
        table_of = gathered if torch.compiler.is_compiling() else banded

        def bias_of(rows: slice, heads: slice) -> torch.Tensor:
            bias = table_of(products[rows, heads], self.most_left, self.most_right)
            if attention_mask is None:
                return bias
            mask = attention_mask.expand(batch, -1, -1, -1)[rows]
            return bias.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else bias + mask

        queries, keys, values = (part.transpose(1, 2) for part in by_frame)
        attended = attend(queries, keys, values, bias_of, scale)
        return self.linear_out(attended), None


def gathered(products: torch.Tensor, most_left: int, most_right: int) -> torch.Tensor:
    """Product of each query with the embedding of its distance to each key, (..., F, F).

    Args:
        products: products of each query with the embeddings of the distances from `-most_left` to `most_right`, in
            this order, (..., F, K); further ones are ignored.
    """
    frames = products.shape[-2]
    positions = torch.arange(frames, device=products.device)
    distances = (positions[None] - positions[:, None]).clamp(-most_left, most_right) + most_left
    return products.gather(-1, distances.expand(*products.shape[:-1], frames))


def banded(products: torch.Tensor, most_left: int, most_right: int) -> torch.Tensor:
    """`gathered`, faster: on two cores 51 ms in place of 75 for a chunk of 30 s.

    All distances that are clamped have one of two products, which fill the table; the others are its diagonals.
    """
    count, frames = most_left + most_right + 1, products.shape[-2]
    margin = most_left + -most_left % ALIGNED
    width = margin + frames + most_right
    width += -width % ALIGNED
    rows, columns = (torch.arange(size, device=products.device) for size in (frames, width))
    earlier = columns[None] - margin < rows[:, None]
    table = torch.where(earlier, products[..., :1], products[..., count - 1 : count])
    # The diagonals begin one column later in each row.
    *outer, row, _ = table.stride()
    diagonals = table.as_strided((*products.shape[:-1], count), (*outer, row + 1, 1), margin - most_left)
    diagonals.copy_(products[..., :count])
    return table[..., margin : margin + frames]
