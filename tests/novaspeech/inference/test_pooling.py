from __future__ import annotations

import numpy as np
import pytest

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.sources import ArraySource
from novaspeech.inference.encoder import HIDDEN
from novaspeech.inference.pooling import FrameBlock, FramePool
from tests.novaspeech.inference.test_engine import Frames

RECORDING = Recording("made", ArraySource(np.zeros(16000), 16000))
COUNT = 49  # frames of a second


def blocks(edges: tuple[int, ...], bad: tuple[int, ...] = ()) -> list[FrameBlock]:
    values = np.random.default_rng(0).normal(0, 1, (COUNT, 3)).astype(np.float32)
    usable = np.ones(COUNT, bool)
    usable[list(bad)] = False
    ends = [*edges, COUNT]
    return [
        FrameBlock(begin, {HIDDEN: values[begin:end]}, usable[begin:end], end == COUNT)
        for begin, end in zip([0, *edges], ends, strict=True)
    ]


@pytest.mark.parametrize("edges", [(7,), (1, 2, 3), tuple(range(1, COUNT)), (48,)])
def test_blocks_may_be_cut_anywhere(edges: tuple[int, ...]) -> None:
    grid, found = WindowGrid.fit(40, 40, 100, 30, 1000), []
    for cut in ((), edges):
        pool = FramePool(grid, Frames(), 3)
        for block in blocks(cut, bad=(20,)):
            pool.add(block)
        found.append(pool.finish(RECORDING))
    np.testing.assert_allclose(found[1][0], found[0][0], atol=1e-6)
    np.testing.assert_array_equal(found[1][1], found[0][1])
    assert not found[0][1].all()
    assert found[0][1].any()


def test_only_usable_may_be_asked_for() -> None:
    pool = FramePool(WindowGrid.fit(40, 40, 0, 0, 1000), Frames(), 0)
    for block in blocks((10,), bad=(0,)):
        pool.add(block)
    means, usable = pool.finish(RECORDING)
    assert means.shape == (25, 0)
    assert np.flatnonzero(~usable).tolist() == [0]


@pytest.mark.parametrize(("end", "count", "last"), [(5, 5, True), (12, 12, True), (20, 12, False)])
def test_a_block_until_a_frame(end: int, count: int, last: bool) -> None:
    [first, _] = blocks((12,))
    part = first.until(end)
    assert (part.end, len(part.values[HIDDEN]), part.last) == (count, count, last)


def test_frames_that_are_nan_spoil_no_other_window() -> None:
    grid, found = WindowGrid.fit(40, 40, 0, 0, 1000), []
    for value in (7.0, np.nan):
        pool = FramePool(grid, Frames(), 3)
        for block in blocks((30,), bad=(20,)):
            block.values[HIDDEN][~block.usable] = value
            pool.add(block)
        found.append(pool.finish(RECORDING))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert np.isfinite(found[1][0]).all()
