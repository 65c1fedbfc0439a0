"""Windows, chunks and frames of any recording against the few lines that say what they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.signal import Signal
from novaspeech.audio.windows import chunk_batches, window_batches
from novaspeech.errors import RequestError
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
    whole = Signal(RATE, data.draw(splits(signal)))
    batches = window_batches(whole, grid, data.draw(st.integers(1, 40)), padding=padding)
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
    for first, batch, last in chunk_batches(Signal(RATE, data.draw(splits(signal))), length, hop, batch_size):
        assert first == len(chunks)
        chunks += batch.windows.tolist()
        ends += [False] * (len(batch) - 1) + [last]
    assert ends == [False] * (len(chunks) - 1) + [True]
    for place, chunk in enumerate(chunks):
        rest = signal[place * hop :]
        np.testing.assert_array_equal(chunk, rest if ends[place] else rest[:length])
        assert ends[place] or len(rest) > length


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
