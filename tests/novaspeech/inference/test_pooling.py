import numpy as np
import pytest
import torch

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.inference.pooling import HIDDEN, POOLINGS, FrameBlock, FramePool
from tests.novaspeech.inference.made import Frames

RECORDING = Recording.of_samples(np.zeros(16000), 16000, "made")
COUNT = 49  # frames of a second


def pooled(grid: WindowGrid, parts: list[FrameBlock], encoder: Frames | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and usability of all windows, which come in order and without a gap."""
    pool = FramePool(RECORDING, grid, encoder or Frames())
    found = [windows for part in parts for windows in pool.add(part)]
    assert [part.rows.start for part in found] == [0, *(part.rows.stop for part in found[:-1])]
    assert found[-1].rows.stop == grid.count
    return torch.cat([part.values for part in found]).numpy(), np.concatenate([part.usable for part in found])


def blocks(edges: tuple[int, ...], bad: tuple[int, ...] = ()) -> list[FrameBlock]:
    values = np.random.default_rng(0).normal(0, 1, (COUNT, 3)).astype(np.float32)
    usable = np.ones(COUNT, bool)
    usable[list(bad)] = False
    ends = [*edges, COUNT]
    return [
        FrameBlock(begin, {HIDDEN: torch.from_numpy(values[begin:end].copy())}, usable[begin:end], end == COUNT)
        for begin, end in zip([0, *edges], ends, strict=True)
    ]


@pytest.mark.parametrize("edges", [(7,), (1, 2, 3), tuple(range(1, COUNT)), (48,)])
def test_blocks_may_be_cut_anywhere(edges: tuple[int, ...]) -> None:
    grid = WindowGrid.fit(40, 40, 100, 30, 1000)
    found = [pooled(grid, blocks(cut, bad=(20,))) for cut in ((), edges)]
    np.testing.assert_allclose(found[1][0], found[0][0], atol=1e-6)
    np.testing.assert_array_equal(found[1][1], found[0][1])
    assert not found[0][1].all()
    assert found[0][1].any()


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("edges", [(), (7, 30), tuple(range(1, COUNT))])
def test_poolings_are_those_of_windows(pooling: str, edges: tuple[int, ...]) -> None:
    encoder, grid, parts = Frames(), WindowGrid.fit(40, 40, 300, 200, 1000), blocks(edges)
    encoder.pooling = pooling
    found, _ = pooled(grid, parts, encoder)
    values = torch.cat([part.values[HIDDEN] for part in parts])
    middles = np.arange(COUNT) * 20 + 12.5  # ms
    for row in range(grid.count):
        inside = (middles >= 40 * row - 300) & (middles < 40 * row + 240)
        np.testing.assert_allclose(found[row], POOLINGS[pooling](values[inside][None])[0], atol=1e-6)


def test_frames_that_are_nan_spoil_no_other_window() -> None:
    grid, found = WindowGrid.fit(40, 40, 0, 0, 1000), []
    for value in (7.0, np.nan):
        parts = blocks((30,), bad=(20,))
        for block in parts:
            block.values[HIDDEN][torch.from_numpy(~block.usable)] = value
        found.append(pooled(grid, parts))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert np.isfinite(found[1][0]).all()
