"""Windows, chunks and frames of any recording against the few lines that say what they are."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import chunk_batches, window_batches
from novaspeech.errors import RequestError
from novaspeech.inference.pooling import HIDDEN, FrameBlock, FramePool
from tests.novaspeech.audio.sounds import signal_of

settings.register_profile("suite", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("suite")

RATE = 1000  # so that a sample is a millisecond
SMALL = st.integers(0, 12)


@st.composite
def recordings(draw: st.DrawFn) -> np.ndarray:
    """(N,) samples that are all different, some of them NaN or infinite."""
    signal = np.arange(1, draw(st.integers(1, 60)) + 1, dtype=np.float32)
    for _ in range(draw(st.integers(0, 2))):
        begin, length = draw(st.integers(0, len(signal) - 1)), draw(st.integers(1, 9))
        signal[begin : begin + length] = draw(st.sampled_from([np.nan, np.inf]))
    return signal


@st.composite
def splits(draw: st.DrawFn, signal: np.ndarray) -> list[np.ndarray]:
    """A recording in consecutive blocks, some of them empty."""
    edges = sorted(draw(st.lists(st.integers(0, len(signal)), max_size=5)))
    return np.split(signal, edges)


def sample_at(signal: np.ndarray, position: int, padding: str) -> float:
    if 0 <= position < len(signal):
        return float(signal[position])
    return 0.0 if padding == "zeros" else float(signal[0 if position < 0 else -1])


@given(st.integers(1, 9), st.integers(1, 9), SMALL, SMALL, st.integers(0, 200))
def test_there_is_a_window_for_every_step_that_fits(frame: int, stride: int, left: int, right: int, end: int) -> None:
    count = 0
    while (count + 1) * stride <= end:
        count += 1
    if count:
        assert WindowGrid.fit(frame, stride, left, right, end).count == count
    else:
        with pytest.raises(RequestError, match="there is no window"):
            WindowGrid.fit(frame, stride, left, right, end)


@given(st.data(), recordings(), st.integers(1, 9), st.integers(1, 9), SMALL, SMALL, st.integers(1, 30))
def test_windows_are_cut_where_the_grid_says(
    data: st.DataObject, signal: np.ndarray, frame: int, stride: int, left: int, right: int, count: int
) -> None:
    """However the recording comes in blocks, and windows go in batches."""
    padding = data.draw(st.sampled_from(["edge", "zeros"]))
    grid = WindowGrid(frame, stride, left, right, count)
    batches = window_batches(data.draw(splits(signal)), grid, RATE, data.draw(st.integers(1, 40)), padding=padding)
    found = {first + row: window for first, batch in batches for row, window in enumerate(batch.windows.tolist())}
    expected = {}
    for i in range(count):
        window = [sample_at(signal, p, padding) for p in range(i * stride - left, i * stride + frame + right)]
        if i * stride < len(signal) and np.isfinite(window).all():
            expected[i] = window
    assert found == expected


@given(st.data(), recordings(), st.integers(1, 20), st.integers(1, 20), st.integers(1, 8))
def test_chunks_cover_a_recording_and_the_last_one_ends_with_it(
    data: st.DataObject, signal: np.ndarray, length: int, hop: int, batch_size: int
) -> None:
    length = max(length, hop)
    chunks: list[list[float]] = []
    ends: list[bool] = []
    for first, batch, last in chunk_batches(data.draw(splits(signal)), length, hop, batch_size):
        assert first == len(chunks)
        chunks += batch.windows.tolist()
        ends += [False] * (len(batch) - 1) + [last]
    assert ends == [False] * (len(chunks) - 1) + [True]
    for place, chunk in enumerate(chunks):
        rest = signal[place * hop :]
        np.testing.assert_array_equal(chunk, rest if ends[place] else rest[:length])
        assert ends[place] or len(rest) > length


def cut(values: np.ndarray, usable: np.ndarray, edges: list[int]) -> Iterator[FrameBlock]:
    ends = [*[edge for edge in edges if 0 < edge < len(values)], len(values)]
    for begin, end in zip([0, *ends], ends, strict=False):
        if end > begin:
            yield FrameBlock(
                begin, {HIDDEN: torch.from_numpy(values[begin:end].copy())}, usable[begin:end], end == len(values)
            )


@given(st.data(), st.integers(1, 9), st.integers(1, 9), SMALL, SMALL, st.integers(1, 20), st.integers(1, 6))
def test_frames_are_pooled_by_their_middles(
    data: st.DataObject, frame: int, stride: int, left: int, right: int, count: int, hop: int
) -> None:
    length = data.draw(st.integers(hop, 2 * hop))
    samples = data.draw(st.integers(length, 80))
    frames = (samples - length) // hop + 1
    usable = np.array(data.draw(st.lists(st.booleans(), min_size=frames, max_size=frames)))
    values = np.arange(1, frames + 1, dtype=np.float32)[:, None] ** 2
    values[~usable] = np.nan
    grid = WindowGrid(frame, stride, left, right, count)
    encoder: Any = SimpleNamespace(sampling_rate=RATE, frame_hop=hop, frame_length=length, pooling="mean")
    pool = FramePool(Recording.of_samples(np.zeros(samples), RATE, "made", RATE), grid, encoder)
    blocks = cut(values, usable, sorted(data.draw(st.lists(st.integers(0, frames), max_size=4))))
    parts = [*map(pool.add, blocks), pool.finish()]
    means, good = (np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "usable"))
    middles = np.arange(frames) * hop + length / 2
    for i in range(count):
        begin, end = i * stride - left, i * stride + frame + right
        inner = np.flatnonzero((middles >= begin) & (middles < end))
        if not len(inner) or i * stride >= samples:
            continue  # the nearest frame, or none: see test_pooling.py
        assert good[i] == usable[inner].all()
        assert means[i, 0] == pytest.approx(values[inner].mean() if good[i] else 0.0, rel=1e-6)


@given(recordings(), st.sampled_from([(1000, 1000), (2000, 1000), (1000, 2000), (3000, 2000)]))
def test_what_is_no_number_stays_in_its_place(signal: np.ndarray, rates: tuple[int, int]) -> None:
    """A resampler would smear it over thousands of samples."""
    rate_in, rate_out = rates
    heard = signal_of(Recording.of_samples(signal, rate_in, "made", rate_out))
    bad = np.zeros(len(heard), bool)
    for place in np.flatnonzero(~np.isfinite(signal)):
        bad[place * rate_out // rate_in : -(-(place + 1) * rate_out // rate_in)] = True
    np.testing.assert_array_equal(~np.isfinite(heard), bad)
    assert abs(len(heard) - len(signal) * rate_out / rate_in) <= 1
