"""Attention whose products take a table for all pairs of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.nn import functional

# Numbers of a table on a CPU. glibc gives a larger one (32 MB) back to the system at once, and the next one is new
# memory, page by page: with w2v-BERT's chunks of 30 s that takes a fifth of its attention's time.
PIECE = 5 << 20


def attend(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    bias_of: Callable[[slice, slice], torch.Tensor],
    scale: float | None = None,
) -> torch.Tensor:
    """What each query hears, (B, F, H * D). On a CPU not for all windows and heads at once where their table is large.

    Args:
        queries, keys, values: (B, H, F, D).
        bias_of: what is added to the products of some windows and some heads, (b, h, F, F); -inf hides a frame.
        scale: of the products, if not 1 / sqrt(D).
    """
    batch, heads, frames, size = queries.shape
    at_once = queries.is_cuda or torch.compiler.is_compiling()
    parts = [(slice(None), slice(None))] if at_once else list(pieces(batch, heads, frames))
    heard = [
        functional.scaled_dot_product_attention(
            queries[part], keys[part], values[part], attn_mask=bias_of(*part), scale=scale
        )
        for part in parts
    ]
    if len(heard) == 1:
        return heard[0].transpose(1, 2).reshape(batch, frames, heads * size)
    joined = torch.empty(batch, frames, heads, size, dtype=queries.dtype, device=queries.device)
    for part, one in zip(parts, heard, strict=True):
        joined.transpose(1, 2)[part] = one
    return joined.flatten(2)


def pieces(batch: int, heads: int, frames: int) -> Iterator[tuple[slice, slice]]:
    """Windows and heads whose tables hold at most `PIECE` numbers, or a single head's."""
    tables = max(1, PIECE // frames**2)
    windows, most_heads = max(1, tables // heads), min(heads, tables)
    for window in range(0, batch, windows):
        for head in range(0, heads, most_heads):
            yield slice(window, window + windows), slice(head, head + most_heads)
