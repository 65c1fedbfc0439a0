"""Attention in pieces is attention at once."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from novaspeech.models.fast import attention
from novaspeech.models.fast.attention import attend


@pytest.mark.parametrize("most", [1, 2 * 49, 3 * 49, 4 * 49, 5 * 49, 1000 * 49])
@pytest.mark.parametrize("batch", [1, 3])
def test_in_pieces(most: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    heads, frames, size = 4, 7, 6
    random = torch.Generator().manual_seed(most)
    queries, keys, values = (torch.randn(batch, frames, heads, size, generator=random).transpose(1, 2) for _ in "qkv")
    bias = torch.randn(batch, heads, frames, frames, generator=random)
    hidden = torch.rand(bias.shape, generator=random) < 0.3
    bias = bias.masked_fill(hidden & ~torch.eye(frames, dtype=torch.bool), -torch.inf)
    monkeypatch.setattr(attention, "PIECE", most)
    asked: list[torch.Size] = []

    def bias_of(rows: slice, some: slice) -> torch.Tensor:
        asked.append(bias[rows, some].shape)
        return bias[rows, some]

    found = attend(queries, keys, values, bias_of, 0.3)
    products = 0.3 * queries @ keys.mT + bias
    expected = functional.softmax(products, dim=-1) @ values
    torch.testing.assert_close(found, expected.transpose(1, 2).flatten(2))
    assert all(shape.numel() <= max(most, frames**2) for shape in asked)
    assert sum(shape.numel() for shape in asked) == bias.numel()
