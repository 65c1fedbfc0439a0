import gc
import re
import weakref
from collections.abc import Callable, Collection

import numpy as np
import pytest
import torch

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import Statistics, WindowBatch
from novaspeech.errors import ModelError, RecordingError
from novaspeech.inference.engine import Inference
from novaspeech.models.compute import Compute
from tests.novaspeech.audio.sounds import signal_of
from tests.novaspeech.inference.made import GRID, FirstAndMean, ramp


class LessItsMean(FirstAndMean):
    """Takes the recording's mean off each window's first sample."""

    def statistics_of(self, recording: Recording, log: Callable[[str], None]) -> Statistics:
        mean = float(np.mean(signal_of(recording)))
        log(f"mean {mean:g}")
        return (torch.tensor([mean]),)

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"first": super().encode(batch, names)["first"] - batch.statistics[0].unsqueeze(1)}


class SmallMemory(FirstAndMean):
    """Raises what torch raises when a GPU is full, for more than 3 windows. A mock: there may be no GPU here."""

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        if len(batch) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return super().encode(batch, names)


@pytest.mark.parametrize("batch_size", [1, 7, 250])
def test_row_i_is_window_i(batch_size: int) -> None:
    grid = WindowGrid.fit(40, 40, 0, 0, 2000)
    calls: list[tuple[int, int]] = []
    inference = Inference(FirstAndMean(), batch_size, progress=lambda *call: calls.append(call))
    found = inference.encode(ramp(2), grid, ["first", "both"])
    starts = np.arange(50, dtype=np.float32) * 640
    np.testing.assert_array_equal(found["first"].values, starts[:, None])
    np.testing.assert_allclose(found["both"].values[:, 1], starts + 319.5)
    assert found["both"].values.dtype == np.float32
    assert found["first"].usable.all()
    assert calls[-1] == (50, 50)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


def test_an_encoder_may_look_at_the_whole_recording_first() -> None:
    encoder, grid, said = LessItsMean(), WindowGrid.fit(40, 40, 0, 0, 1000), []
    found = Inference(encoder, 7, said.append).encode(ramp(1), grid, ["first"])
    np.testing.assert_array_equal(found["first"].values[:, 0], np.arange(25) * 640 - 7999.5)
    assert said == ["mean 7999.5"]


def test_nothing_asked_of_windows_nothing_computed_of_them() -> None:
    encoder, calls = LessItsMean(), []
    encoder.min_length = 16000  # windows that the model could not take do not matter then
    inference = Inference(encoder, 7, progress=lambda *call: calls.append(call))
    assert inference.encode(ramp(1), WindowGrid.fit(40, 40, 0, 0, 1000), []) == {}
    assert calls == [(25, 25)]
    assert not encoder.sizes


@pytest.mark.parametrize(("seconds", "most"), [(1, 25), (4, 25), (6, 20), (30, 4), (60, 2)])
def test_on_a_cpu_long_windows_go_through_the_model_few_at_once(seconds: int, most: int) -> None:
    encoder = FirstAndMean()
    grid = WindowGrid.fit(1000 * seconds, 40, 0, 0, 4000)
    found = Inference(encoder).encode(ramp(4), grid, ["first"])["first"]
    np.testing.assert_array_equal(found.values[:, 0], np.arange(100) * 640)
    assert max(encoder.sizes) <= most
    assert max(encoder.sizes) == most or seconds == 60  # where a batch holds one


def test_windows_without_usable_audio_are_zeros_and_the_model_does_not_see_them() -> None:
    samples = np.ones(32000, np.float32)
    samples[8000] = np.nan
    encoder = FirstAndMean()
    grid = WindowGrid.fit(40, 40, 80, 0, 3000)  # a session of 3 s with 2 s of audio
    found = Inference(encoder).encode(Recording.of_samples(samples, 16000, "a"), grid, ["first"])["first"]
    empty = np.flatnonzero(~found.usable).tolist()
    assert empty == [12, 13, 14, *range(50, 75)]
    assert not found.values[empty].any()
    assert (found.values[found.usable] == 1).all()
    assert sum(encoder.sizes) == 75 - len(empty)


def test_memory_is_given_back_when_nothing_refers_to_the_failed_pass_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    large: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    class Greedy(SmallMemory):
        def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            activations = torch.zeros(1000)  # which the error's traceback holds on to
            large.append(weakref.ref(activations))
            return super().encode(batch, names)

    monkeypatch.setattr(Compute, "release_memory", lambda self: alive.append(large[-1]() is not None))
    gc.disable()  # which would clear up after a cycle, and not as early as a GPU needs it
    try:
        Inference(Greedy(), 16, lambda line: None).encode(ramp(1), GRID, ["first"])
    finally:
        gc.enable()
    assert alive == [False, False, False]


def test_a_batch_that_does_not_even_fit_when_it_is_copied_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def to(self: WindowBatch, device: torch.device) -> WindowBatch:
        sizes.append(len(self))
        if len(self) > 6:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return self

    monkeypatch.setattr(WindowBatch, "to", to)
    found = Inference(FirstAndMean(), 24, lambda line: None).encode(ramp(1), GRID, ["first"])
    np.testing.assert_array_equal(found["first"].values[:, 0], np.arange(25) * 640)
    assert sizes[:4] == [24, 12, 6, 6]


FULL = [
    (torch.cuda.OutOfMemoryError("CUDA out of memory"), "GPU memory"),
    (RuntimeError("MPS backend out of memory"), "GPU memory"),
    (
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you "
                     "tried to allocate 921600000000 bytes. Error code 12 (Cannot allocate memory)"),
        "memory",
    ),
    (RuntimeError("[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory"), "memory"),
    (MemoryError("Unable to allocate 858. GiB for an array"), "memory"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "memory"), FULL, ids=lambda value: str(value)[:20])
def test_whichever_memory_is_full_the_batch_is_halved(error: Exception, memory: str) -> None:
    class Small(FirstAndMean):
        most = 3

        def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            if len(batch) > self.most:
                raise error
            return super().encode(batch, names)

    encoder, said = Small(), []
    found = Inference(encoder, 16, said.append).encode(ramp(1), GRID, ["first"])
    np.testing.assert_array_equal(found["first"].values[:, 0], np.arange(25) * 640)
    assert said == [f"out of {memory}: going on with 2 windows at once"]
    encoder.most = 0
    with pytest.raises(ModelError, match=rf"^out of {memory} with one of the windows alone \(640 samples\); make the"):
        Inference(encoder, 16, said.append).encode(ramp(1), GRID, ["first"])


def test_torch_itself_says_so_when_the_cpu_has_no_memory_left() -> None:
    """No mock: what it says of 4 EB, which no machine has."""

    class Greedy(FirstAndMean):
        def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            if len(batch) > 1:
                torch.zeros(2**60)
            return super().encode(batch, names)

    said: list[str] = []
    found = Inference(Greedy(), 5, said.append).encode(ramp(1), GRID, ["first"])
    np.testing.assert_array_equal(found["first"].values[:, 0], np.arange(25) * 640)
    assert said == ["out of memory: going on with 1 windows at once"]


def test_how_long_windows_may_be_is_said_by_the_encoder() -> None:
    for limit, grid in ((60_000, (1000, 40, 59_000, 0)), (70_000, (1000, 40, 34_500, 34_500))):
        encoder = FirstAndMean()
        encoder.max_length_ms = limit
        assert Inference(encoder).encode(ramp(1), WindowGrid.fit(*grid, 1000), ["first"])["first"].usable.all()


def with_one(value: float, at: int, seconds: float = 50, rate: int = 16000) -> Recording:
    """Noise with one sample that is none."""
    samples = np.random.default_rng(0).normal(0, 0.1, int(rate * seconds)).astype(np.float32)
    samples[at] = value
    return Recording.of_samples(samples, rate, "lesson.wav")


ABSURD = r"^lesson\.wav holds the number {} at 40\.{} s, where sound has -1 to 1: it is damaged there; silence"


@pytest.mark.parametrize("value", [1e37, -3e9])
def test_a_number_that_is_no_sound_is_the_recordings_fault(value: float) -> None:
    with pytest.raises(RecordingError, match=ABSURD.format(re.escape(f"{value:g}"), "000")):
        with_one(value, 640_000)


@pytest.mark.parametrize("value", [np.inf, np.nan, 32768.0, 2.0**31])
def test_numbers_that_are_none_and_whole_numbers_cost_no_more_than_their_windows(value: float) -> None:
    found = Inference(FirstAndMean()).encode(
        with_one(value, 640_000), WindowGrid.fit(1000, 500, 0, 0, 50_000), ["first"]
    )["first"]
    assert np.flatnonzero(~found.usable).tolist() == ([] if np.isfinite(value) else [79, 80])


def test_other_errors_of_a_model_are_not_taken_for_a_full_memory() -> None:
    class Broken(FirstAndMean):
        def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        Inference(Broken(), 4).encode(ramp(1), GRID, ["first"])


@pytest.mark.parametrize(
    ("compute", "remedy"),
    [(Compute(dtype=torch.float16), "use precision=float32"), (Compute(), "the weights may be damaged")],
)
def test_numbers_that_are_none_are_an_error_that_says_where(compute: Compute, remedy: str) -> None:
    class Overflowing(FirstAndMean):
        def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            return {"first": batch.windows[:, :1] / (batch.windows[:, :1] != 1280)}

    encoder = Overflowing()
    encoder.compute = compute
    with pytest.raises(ModelError, match=rf"NaN or infinite values for intact audio at 0\.080 s; {remedy}"):
        Inference(encoder, 4).encode(ramp(1), GRID, ["first"])
