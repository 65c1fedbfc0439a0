from __future__ import annotations

import numpy as np
import pytest

from novaspeech.audio.grid import WindowGrid, samples_per_ms
from novaspeech.audio.signal import Signal
from novaspeech.audio.windows import WindowBatch, window_batches
from novaspeech.errors import RequestError

RATE = 1000  # one sample a millisecond: windows can be written down


def collect(signal: list[float], grid: WindowGrid, batch_size: int, **kwargs: str) -> dict[int, list[float]]:
    """Index → window."""
    found: dict[int, list[float]] = {}
    for first, batch in window_batches(Signal(RATE, [np.array(signal, np.float32)]), grid, batch_size, **kwargs):
        assert len(batch) == len(batch.windows) <= batch_size
        for offset, window in enumerate(batch.windows.tolist()):
            assert first + offset not in found
            found[first + offset] = window
    return found


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("frame", "stride", "left", "right", "signal", "expected"),
    [
        (2, 2, 0, 0, [1, 2, 3, 4, 5], [[1, 2], [3, 4]]),
        (2, 2, 3, 0, [1, 2, 3, 4], [[1, 1, 1, 1, 2], [1, 1, 2, 3, 4]]),
        (1, 1, 1, 2, [1, 2, 3], [[1, 1, 2, 3], [1, 2, 3, 3], [2, 3, 3, 3]]),
        (1, 3, 0, 0, [1, 2, 3, 4, 5, 6, 7], [[1], [4]]),
        (5, 2, 0, 0, [1, 2, 3, 4], [[1, 2, 3, 4, 4], [3, 4, 4, 4, 4]]),
        (1, 4, 2, 0, [1, 2, 3, 4, 5, 6, 7, 8], [[1, 1, 1], [3, 4, 5]]),
    ],
    ids=["tiles", "left context", "both contexts", "gaps", "frame longer than stride", "gaps and context"],
)
def test_windows_by_hand(
    frame: int,
    stride: int,
    left: int,
    right: int,
    signal: list[float],
    expected: list[list[float]],
    batch_size: int,
) -> None:
    grid = WindowGrid.fit(frame, stride, left, right, len(signal))
    assert collect(signal, grid, batch_size) == dict(enumerate(expected))


def test_zeros_stand_beyond_the_ends_where_the_encoder_wants_them() -> None:
    grid = WindowGrid.fit(1, 1, 1, 1, 2)
    assert collect([5, 6], grid, 10, padding="zeros") == {0: [0, 5, 6], 1: [5, 6, 0]}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_a_bad_sample_costs_the_windows_that_hold_it_and_moves_no_other(bad: float, batch_size: int) -> None:
    clean = [float(n) for n in range(10)]
    grid = WindowGrid.fit(1, 1, 2, 0, 10)
    whole = collect(clean, grid, batch_size)
    spoilt = collect([*clean[:5], bad, *clean[6:]], grid, batch_size)
    assert spoilt == {index: window for index, window in whole.items() if index not in (5, 6, 7)}


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_past_the_end_of_the_recording_there_are_no_windows(batch_size: int) -> None:
    # A session of 9 ms with 5 ms of audio: frames that start after it have none, frames before are untouched.
    whole = collect([1, 2, 3, 4, 5], WindowGrid.fit(1, 1, 1, 1, 5), batch_size)
    assert collect([1, 2, 3, 4, 5], WindowGrid.fit(1, 1, 1, 1, 9), batch_size) == whole


def test_windows_far_apart_do_not_make_a_batch_of_hours() -> None:
    grid = WindowGrid.fit(40, 10_000, 0, 0, 600_000)
    batches = list(window_batches(Signal(RATE, [np.zeros(600 * RATE, np.float32)]), grid, 250))
    assert sum(len(batch) for _, batch in batches) == 60
    assert max(len(batch.signal) for _, batch in batches) <= 60 * RATE


def test_a_batch_is_one_signal_and_its_parts_are_views() -> None:
    signal = Signal(RATE, [np.arange(10, dtype=np.float32)])
    [(first, batch)] = window_batches(signal, WindowGrid.fit(2, 2, 2, 0, 10), 5)
    assert (first, len(batch), batch.signal.shape) == (0, 5, (12,))
    part = batch[1:3]
    assert part.windows.tolist() == batch.windows[1:3].tolist()
    assert part.signal.data_ptr() == batch.signal.data_ptr() + 2 * 4
    assert isinstance(part, WindowBatch)


def test_the_last_window_ends_with_the_recording() -> None:
    assert WindowGrid.fit(40, 40, 960, 0, 1000).count == 25
    assert WindowGrid.fit(40, 40, 960, 0, 1039).count == 25
    assert WindowGrid.fit(40, 33, 960, 0, 1000).count == 30
    assert WindowGrid.fit(40, 33, 960, 0, 1000).rate == pytest.approx(30.30303)
    assert WindowGrid.fit(40, 33, 960, 7, 1000).length_ms == 1007


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ((40, 40, 0, 0, 20), "0.020 s of audio are shorter than one step of 40 ms"),
        ((0, 40, 0, 0, 1000), "frame size 0 ms and stride 40 ms must be more than 0"),
        ((40, 0, 0, 0, 1000), "frame size 40 ms and stride 0 ms must be more than 0"),
        ((40, -5, 0, 0, 1000), "stride -5 ms"),
        ((40, 40, -1, 0, 1000), "left context -1 ms"),
        ((40, 40, 0, -1, 1000), "right context -1 ms"),
        ((40, 40, 0, 0, -1000), "end -1000 ms must not be negative; 0 is the recording's end"),
        (
            (99_999_999_999_000, 40, 0, 0, 1000),
            r"frame size 99999999999000 ms is more than a day \(86400000 ms\); write",
        ),
        ((40, 86_400_001, 0, 0, 86_400_001), "stride 86400001 ms is more than a day"),
        ((40, 40, 10**400, 0, 1000), r"left context 1000*… ms is more than a day"),
        ((40, 40, 0, 86_400_001, 1000), "right context 86400001 ms is more than a day"),
    ],
)
def test_impossible_grids(grid: tuple[int, int, int, int, int], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        WindowGrid.fit(*grid)


def test_a_recording_that_is_too_short_is_named_with_what_to_do() -> None:
    with pytest.raises(RequestError) as caught:
        WindowGrid.fit(40, 40, 0, 0, 20, "/data/short.wav")
    assert str(caught.value) == (
        "/data/short.wav: 0.020 s of audio are shorter than one step of 40 ms: there is no window; take a longer "
        "recording, a later end, or a stride of at most 20 ms"
    )


def test_a_day_is_not_too_long() -> None:
    assert WindowGrid(*(4 * [86_400_000]), count=1).length_ms == 3 * 86_400_000


def test_rates_that_milliseconds_do_not_fit() -> None:
    assert samples_per_ms(16000) == 16
    with pytest.raises(RequestError, match="44100 Hz cannot be aligned to milliseconds"):
        samples_per_ms(44100)
