import numpy as np
import pytest

from novaspeech.audio.grid import WindowGrid, samples_per_ms
from novaspeech.audio.signal import Signal
from novaspeech.audio.windows import window_batches
from novaspeech.errors import RequestError

RATE = 1000  # one sample a millisecond: windows can be written down


def test_windows_far_apart_do_not_make_a_batch_of_hours() -> None:
    grid = WindowGrid.fit(40, 10_000, 0, 0, 600_000)
    batches = list(window_batches(Signal(RATE, [np.zeros(600 * RATE, np.float32)]), grid, 250))
    assert sum(len(batch) for _, batch in batches) == 60
    assert max(len(batch.signal) for _, batch in batches) <= 60 * RATE


def test_the_last_window_ends_with_the_recording() -> None:
    assert WindowGrid.fit(40, 40, 960, 0, 1000).count == 25
    assert WindowGrid.fit(40, 40, 960, 0, 1039).count == 25
    assert WindowGrid.fit(40, 33, 960, 0, 1000).count == 30
    assert WindowGrid.fit(40, 33, 960, 0, 1000).rate == pytest.approx(30.30303)
    assert WindowGrid.fit(40, 33, 960, 7, 1000).length_ms == 1007


def test_rates_that_milliseconds_do_not_fit() -> None:
    assert samples_per_ms(16000) == 16
    with pytest.raises(RequestError, match="44100 Hz cannot be aligned to milliseconds"):
        samples_per_ms(44100)
