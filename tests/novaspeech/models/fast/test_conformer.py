"""What a Conformer computes on a GPU, which a CPU can compute as well."""

import pytest
import torch
from torch.nn import functional

from novaspeech.models.fast import attention
from novaspeech.models.fast.attention import attend
from novaspeech.models.fast.conformer import causal
from novaspeech.models.fast.relative_key import banded, gathered


@pytest.mark.parametrize("frames", [1, 2, 8, 49, 64, 65, 129, 300])
@pytest.mark.parametrize("kernel", [1, 2, 31, 32])
def test_depthwise_convolutions_as_matrix_products(frames: int, kernel: int) -> None:
    random = torch.Generator().manual_seed(frames)
    hidden, weight = torch.randn(3, frames, 5, generator=random), torch.randn(5, kernel, generator=random)
    before = functional.pad(hidden.mT, (kernel - 1, 0))
    torch.testing.assert_close(causal(hidden, weight), functional.conv1d(before, weight.unsqueeze(1), groups=5).mT)


@pytest.mark.parametrize("frames", [1, 5, 49, 73, 200])
@pytest.mark.parametrize(("left", "right"), [(64, 8), (3, 9), (0, 0), (7, 0)])
def test_two_ways_to_the_same_distances(frames: int, left: int, right: int) -> None:
    count = left + right + 1
    products = torch.randn(2, 3, frames, count + -count % 8, generator=torch.Generator().manual_seed(frames))
    found = banded(products, left, right)
    assert torch.equal(found, gathered(products, left, right))
    by_frame = products.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(found, banded(by_frame, left, right))
    for query, key in ((0, 0), (0, frames - 1), (frames - 1, 0), (frames // 2, frames // 3)):
        place = min(max(key - query, -left), right) + left
        assert torch.equal(found[..., query, key], products[..., query, place])


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
