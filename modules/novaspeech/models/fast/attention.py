"""Attention whose products take a table for all pairs of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.nn import functional

# Maximum numbers of a table on a CPU. glibc returns a larger one (32 MB) to the system, and the next one is new memory,
# page by page: with w2v-BERT's chunks of 30 s that takes a fifth of its attention's time.
PIECE = 5 << 20


def attend(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    bias_of: Callable[[slice, slice], torch.Tensor],
    scale: float | None = None,
) -> torch.Tensor:
    """The attention's outputs, (B, F, H * D). On a CPU a large table is computed in parts, by windows and heads.

    Args:
        queries, keys, values: (B, H, F, D).
        bias_of: bias added to the products of some windows and some heads, (b, h, F, F); -inf hides a frame.
        scale: factor of the products; None means 1 / sqrt(D).
    """
    batch, heads, frames, size = queries.shape
    whole = queries.is_cuda or torch.compiler.is_compiling()
    parts = [(slice(None), slice(None))] if whole else list(pieces(batch, heads, frames))
    outputs = [
        functional.scaled_dot_product_attention(
            queries[part], keys[part], values[part], attn_mask=bias_of(*part), scale=scale
        )
        for part in parts
    ]
    if len(outputs) == 1:
        return outputs[0].transpose(1, 2).reshape(batch, frames, heads * size)
    joined = torch.empty(batch, frames, heads, size, dtype=queries.dtype, device=queries.device)
    for part, one in zip(parts, outputs, strict=True):
        joined.transpose(1, 2)[part] = one
    return joined.flatten(2)


def pieces(batch: int, heads: int, frames: int) -> Iterator[tuple[slice, slice]]:
    """Windows and heads whose tables hold at most `PIECE` numbers, or a single head's."""
    tables = max(1, PIECE // frames**2)
    windows, most_heads = max(1, tables // heads), min(heads, tables)
    for window in range(0, batch, windows):
        for head in range(0, heads, most_heads):
            yield slice(window, window + windows), slice(head, head + most_heads)
