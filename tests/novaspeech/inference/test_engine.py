from __future__ import annotations

import copy
import gc
import re
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.sources import ArraySource
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import ModelError, RecordingError, RequestError
from novaspeech.inference.encoder import Encoder, FrameEncoder
from novaspeech.inference.engine import Inference
from novaspeech.inference.passes import delivered
from novaspeech.inference.pooling import HIDDEN
from novaspeech.models.compute import Compute
from novaspeech.models.frames import FrameModel


class FirstAndMean(Encoder):
    """Gives each window's first sample and its mean. A stand-in for models, so that rows can be written down."""

    def __init__(self) -> None:
        super().__init__(sampling_rate=16000, min_length=1, dimensions={"first": 1, "both": 2})
        self.sizes: list[int] = []

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        self.sizes.append(len(batch))
        first, mean = batch.windows[:, :1], batch.windows.mean(1, keepdim=True)
        return {"first": first, "both": torch.cat([first, mean], 1)}


class LessItsMean(FirstAndMean):
    """Takes the recording's mean off each window's first sample."""

    mean = 0.0

    def prepared_for(self, recording: Recording, log: Callable[[str], None]) -> LessItsMean:
        prepared = copy.copy(self)
        prepared.mean = float(np.mean(np.concatenate(list(recording.blocks(16000)))))
        log(f"mean {prepared.mean:g}")
        return prepared

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"first": super().encode(batch, names)["first"] - self.mean}


class SmallMemory(FirstAndMean):
    """Raises what torch raises when a GPU is full, for more than 3 windows. A mock: there may be no GPU here."""

    def __init__(self) -> None:
        super().__init__()
        self.max_batch = None

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        if len(batch) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return super().encode(batch, names)


GRID = WindowGrid.fit(40, 40, 0, 0, 1000)


def ramp(seconds: float) -> Recording:
    return Recording("ramp", ArraySource(np.arange(int(16000 * seconds), dtype=np.float32), 16000))


@pytest.mark.parametrize("batch_size", [1, 7, 250])
def test_row_i_is_window_i(batch_size: int) -> None:
    grid = WindowGrid.fit(40, 40, 0, 0, 2000)
    calls: list[tuple[int, int]] = []
    inference = Inference(FirstAndMean(), batch_size, progress=lambda *call: calls.append(call))
    found = inference.windows(ramp(2), grid, ["first", "both"])
    starts = np.arange(50, dtype=np.float32) * 640
    np.testing.assert_array_equal(found["first"].values, starts[:, None])
    np.testing.assert_allclose(found["both"].values[:, 1], starts + 319.5)
    assert found["both"].values.dtype == np.float32
    assert found["first"].usable.all()
    assert calls[-1] == (50, 50)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


def test_only_what_is_asked_for_is_kept() -> None:
    found = Inference(FirstAndMean(), 5).windows(ramp(1), WindowGrid.fit(40, 40, 0, 0, 1000), ["both"])
    assert list(found) == ["both"]


def test_an_encoder_may_look_at_the_whole_recording_first() -> None:
    encoder, grid, said = LessItsMean(), WindowGrid.fit(40, 40, 0, 0, 1000), []
    found = Inference(encoder, 7, said.append).windows(ramp(1), grid, ["first"])
    np.testing.assert_array_equal(found["first"].values[:, 0], np.arange(25) * 640 - 7999.5)
    assert encoder.mean == 0, "the next recording must not meet this one's mean"
    assert said == ["mean 7999.5"]


def test_nothing_asked_of_windows_nothing_computed_of_them() -> None:
    encoder, calls = LessItsMean(), []
    encoder.min_length = 16000  # windows that the model could not take do not matter then
    inference = Inference(encoder, 7, progress=lambda *call: calls.append(call))
    assert inference.windows(ramp(1), WindowGrid.fit(40, 40, 0, 0, 1000), []) == {}
    assert calls == [(25, 25)]
    assert not encoder.sizes


def test_windows_too_short_for_the_model() -> None:
    encoder = FirstAndMean()
    encoder.min_length = 1601
    with pytest.raises(
        RequestError, match=r"of 100 ms \(frame 40, left 60, right 0\) are too short .* needs 101 ms; make"
    ):
        Inference(encoder).windows(ramp(1), WindowGrid.fit(40, 40, 60, 0, 1000), ["first"])


def test_on_a_cpu_a_pass_holds_no_more_than_its_caches_like() -> None:
    encoder = FirstAndMean()
    Inference(encoder).windows(ramp(4), WindowGrid.fit(40, 40, 0, 0, 4000), ["first"])
    assert max(encoder.sizes) == encoder.max_batch == 25


@pytest.mark.parametrize(("seconds", "most"), [(1, 25), (4, 25), (6, 20), (30, 4), (60, 2)])
def test_on_a_cpu_long_windows_go_through_the_model_few_at_once(seconds: int, most: int) -> None:
    encoder = FirstAndMean()
    grid = WindowGrid.fit(1000 * seconds, 40, 0, 0, 4000)
    found = Inference(encoder).windows(ramp(4), grid, ["first"])["first"]
    np.testing.assert_array_equal(found.values[:, 0], np.arange(100) * 640)
    assert max(encoder.sizes) <= most
    assert max(encoder.sizes) == most or seconds == 60  # where a batch holds one


def test_windows_without_usable_audio_are_zeros_and_the_model_does_not_see_them() -> None:
    samples = np.ones(32000, np.float32)
    samples[8000] = np.nan
    encoder = FirstAndMean()
    grid = WindowGrid.fit(40, 40, 80, 0, 3000)  # a session of 3 s with 2 s of audio
    found = Inference(encoder).windows(Recording("a", ArraySource(samples, 16000)), grid, ["first"])["first"]
    empty = np.flatnonzero(~found.usable).tolist()
    assert empty == [12, 13, 14, *range(50, 75)]
    assert not found.values[empty].any()
    assert (found.values[found.usable] == 1).all()
    assert sum(encoder.sizes) == 75 - len(empty)


def test_a_full_gpu_halves_the_batch_and_goes_on() -> None:
    said: list[str] = []
    found = Inference(SmallMemory(), 16, said.append).windows(ramp(1), GRID, ["first"])
    np.testing.assert_array_equal(found["first"].values[:, 0], np.arange(25) * 640)
    assert said == ["out of GPU memory: going on with 2 windows at once"]


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
        Inference(Greedy(), 16, lambda line: None).windows(ramp(1), GRID, ["first"])
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
    found = Inference(FirstAndMean(), 24, lambda line: None).windows(ramp(1), GRID, ["first"])
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
    found = Inference(encoder, 16, said.append).windows(ramp(1), GRID, ["first"])
    np.testing.assert_array_equal(found["first"].values[:, 0], np.arange(25) * 640)
    assert said == [f"out of {memory}: going on with 2 windows at once"]
    encoder.most = 0
    with pytest.raises(ModelError, match=rf"^out of {memory} with one of the windows alone \(640 samples\); make the"):
        Inference(encoder, 16, said.append).windows(ramp(1), GRID, ["first"])


def test_torch_itself_says_so_when_the_cpu_has_no_memory_left() -> None:
    """No mock: what it says of 4 EB, which no machine has."""

    class Greedy(FirstAndMean):
        def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            if len(batch) > 1:
                torch.zeros(2**60)
            return super().encode(batch, names)

    said: list[str] = []
    found = Inference(Greedy(), 5, said.append).windows(ramp(1), GRID, ["first"])
    np.testing.assert_array_equal(found["first"].values[:, 0], np.arange(25) * 640)
    assert said == ["out of memory: going on with 1 windows at once"]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ((40, 40, 60_000, 0), r"of 60040 ms \(frame 40, left 60000, right 0\) are too long .* takes 60000 ms; make"),
        ((40, 40, 0, 36_000_000), r"of 36000040 ms \(frame 40, left 0, right 36000000\) are too long"),
        ((86_400_000, 40, 0, 0), r"of 86400000 ms \(frame 86400000, left 0, right 0\) are too long"),
    ],
)
def test_windows_longer_than_any_memory(grid: tuple[int, int, int, int], message: str) -> None:
    encoder = FirstAndMean()
    with pytest.raises(RequestError, match=message):
        Inference(encoder).windows(ramp(1), WindowGrid.fit(*grid, 1000), ["first"])
    assert not encoder.sizes


def test_how_long_windows_may_be_is_said_by_the_encoder() -> None:
    for limit, grid in ((60_000, (1000, 40, 59_000, 0)), (70_000, (1000, 40, 34_500, 34_500))):
        encoder = FirstAndMean()
        encoder.max_length_ms = limit
        assert Inference(encoder).windows(ramp(1), WindowGrid.fit(*grid, 1000), ["first"])["first"].usable.all()


def test_windows_that_pool_frames_may_be_as_long_as_they_like() -> None:
    grid = WindowGrid.fit(40, 40, 3_600_000, 3_600_000, 1000)
    assert Inference(Frames()).pooled(noise(1), grid, ["out"])["out"].usable.all()


def with_one(value: float, at: int, seconds: float = 50, rate: int = 16000) -> Recording:
    """Noise with one sample that is none."""
    samples = np.random.default_rng(0).normal(0, 0.1, int(rate * seconds)).astype(np.float32)
    samples[at] = value
    return Recording("lesson.wav", ArraySource(samples, rate))


ABSURD = r"^lesson\.wav holds the number {} at 40\.{} s, where sound has -1 to 1: it is damaged there; silence"


@pytest.mark.parametrize("value", [1e37, -3e9])
def test_a_number_that_is_no_sound_is_the_recordings_fault(value: float) -> None:
    grid, recording = WindowGrid.fit(1000, 500, 0, 0, 50_000), with_one(value, 640_000)
    message = ABSURD.format(re.escape(f"{value:g}"), "000")
    with pytest.raises(RecordingError, match=message):
        Inference(FirstAndMean()).windows(recording, grid, ["first"])
    with pytest.raises(RecordingError, match=message):
        Inference(Frames()).pooled(recording, grid, ["out"])


def test_of_another_rate_it_is_found_at_the_same_time() -> None:
    with pytest.raises(RecordingError, match=ABSURD.format(r".*e\+3\d", r"\d*")):
        Inference(FirstAndMean()).windows(
            with_one(1e37, 44100 * 40 + 10, rate=44100), WindowGrid.fit(1000, 500, 0, 0, 50_000), ["first"]
        )


class OfTheWholeLevel(LessItsMean):
    """Takes something from the whole recording, so that every window is spoilt, the first one, too."""

    def prepared_for(self, recording: Recording, log: Callable[[str], None]) -> OfTheWholeLevel:
        prepared = copy.copy(self)
        loudest = max(float(np.abs(block).max()) for block in recording.blocks(16000))
        prepared.mean = float("nan") if loudest > 1e30 else 0.0
        return prepared


def test_it_is_found_although_windows_far_from_it_are_spoilt() -> None:
    grid = WindowGrid.fit(1000, 500, 0, 0, 50_000)
    with pytest.raises(RecordingError, match=ABSURD.format(r"1e\+37", "000")):
        Inference(OfTheWholeLevel(), 2).windows(with_one(1e37, 640_000), grid, ["first"])


@pytest.mark.parametrize("value", [np.inf, np.nan, 32768.0, 2.0**31])
def test_numbers_that_are_none_and_whole_numbers_cost_no_more_than_their_windows(value: float) -> None:
    found = Inference(FirstAndMean()).windows(
        with_one(value, 640_000), WindowGrid.fit(1000, 500, 0, 0, 50_000), ["first"]
    )["first"]
    assert np.flatnonzero(~found.usable).tolist() == ([] if np.isfinite(value) else [79, 80])


def test_a_frame_that_is_no_number_is_named_by_its_own_time() -> None:
    class Overflowing(Frames):
        def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            frames = super().frames(batch, names)[HIDDEN]
            frames[:, 100] = torch.inf
            return {HIDDEN: frames}

    with pytest.raises(ModelError, match=r"at 2\.000 s; the weights may be damaged"):  # 3 frames before it hear NaN
        list(Inference(Overflowing()).frames(noise(5, 16000, 24000), [HIDDEN]))


def test_other_errors_of_a_model_are_not_taken_for_a_full_memory() -> None:
    class Broken(FirstAndMean):
        def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        Inference(Broken(), 4).windows(ramp(1), GRID, ["first"])


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
        Inference(encoder, 4).windows(ramp(1), GRID, ["first"])


def test_the_next_batch_is_read_while_the_encoder_works() -> None:
    read_by: set[str] = set()

    class Watched(ArraySource):
        def blocks(self) -> Iterator[np.ndarray]:
            for block in super().blocks():
                read_by.add(threading.current_thread().name)
                yield block

    recording = Recording("a", Watched(np.ones(16000 * 30, np.float32), 16000))
    Inference(FirstAndMean(), 25).windows(recording, WindowGrid.fit(40, 40, 0, 0, 30000), ["first"])
    assert len(read_by) == 1
    assert read_by != {threading.current_thread().name}


def test_what_a_cpu_computed_is_delivered_before_it_goes_on() -> None:
    taken = []

    def items() -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
        for number in range(3):
            taken.append(number)
            yield number, {"out": torch.full((2,), float(number))}

    for number, arrays in delivered(items()):
        assert taken[-1] == number
        assert arrays["out"].tolist() == [number, number]
    assert number == 2


def test_an_error_while_reading_reaches_the_caller() -> None:
    class Failing(ArraySource):
        def blocks(self) -> Iterator[np.ndarray]:
            yield np.ones((16000, 1), np.float32)
            raise OSError("the disk is gone")

    recording = Recording("a", Failing(np.ones(160000, np.float32), 16000))
    with pytest.raises(OSError, match="the disk is gone"):
        Inference(FirstAndMean(), 25).windows(recording, WindowGrid.fit(40, 40, 0, 0, 10000), ["first"])


class Framed:
    """Frames of 25 ms every 20 ms: each the mean of its samples and the first one. A model's front end."""

    sampling_rate, frame_hop, frame_length = 16000, 320, 400

    def frame_count(self, samples: int) -> int:
        return (samples - 400) // 320 + 1

    def hear(self, blocks: Iterable[np.ndarray]) -> Framed:
        return self

    def __call__(self, batch: WindowBatch) -> torch.Tensor:
        frames = batch.windows.nan_to_num(0.0).unfold(1, 400, 320)
        return torch.stack([frames.mean(dim=2), frames[:, :, 0]], dim=2)


class AsTheyAre:
    """A network that changes nothing."""

    last = 0

    def __call__(self, features: torch.Tensor, wanted: Collection[int]) -> dict[int, torch.Tensor]:
        return dict.fromkeys(wanted, features)

    def keep(self, layer: int) -> None:
        pass


class Frames(FrameEncoder):
    """The frames of `Framed`; the head doubles their mean."""

    def __init__(self, front: Framed | None = None) -> None:
        super().__init__(FrameModel(front or Framed(), AsTheyAre(), 2, Path()), {"out": 2}, Compute())

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"out": 2 * pooled}


def noise(seconds: float, *bad: int) -> Recording:
    samples = np.random.default_rng(0).normal(0, 1, int(16000 * seconds)).astype(np.float32)
    samples[list(bad)] = np.nan
    return Recording("noise", ArraySource(samples, 16000))


def test_a_frame_encoder_pools_its_frames_over_time() -> None:
    batch = WindowBatch(torch.arange(1360, dtype=torch.float32), 720, 640)
    found = Frames().encode(batch, ["out"])["out"].tolist()
    assert found == [[2 * (199.5 + 160), 2 * 160], [2 * (199.5 + 800), 2 * 800]]


@pytest.mark.parametrize("seconds", [0.025, 30.0, 71.3])
def test_frames_of_chunks_are_those_of_the_whole(seconds: float) -> None:
    recording = noise(seconds)
    blocks = list(Inference(Frames()).frames(recording, [HIDDEN]))
    assert [block.first for block in blocks] == [0, *(block.end for block in blocks[:-1])]
    assert [block.last for block in blocks] == [False] * (len(blocks) - 1) + [True]
    signal = torch.from_numpy(np.concatenate(list(recording.blocks(16000))))
    whole = Frames().frames(WindowBatch(signal, len(signal), 1), [HIDDEN])[HIDDEN][0].numpy()
    np.testing.assert_array_equal(np.concatenate([block.array(HIDDEN) for block in blocks]), whole)


def test_frames_are_of_the_encoder_that_is_prepared_for_the_recording() -> None:
    class LessItsMaximum(Framed):
        def __init__(self, most: float = 0.0) -> None:
            self.most = most

        def hear(self, blocks: Iterable[np.ndarray]) -> LessItsMaximum:
            return LessItsMaximum(max(float(block.max()) for block in blocks))

        def __call__(self, batch: WindowBatch) -> torch.Tensor:
            return super().__call__(batch) - self.most

    front = LessItsMaximum()
    encoder = Frames(front)
    [block] = Inference(encoder).frames(ramp(1), [HIDDEN])
    np.testing.assert_array_equal(block.array(HIDDEN)[:, 1], 320 * np.arange(49) - 15999)
    assert encoder.model.front is front, "the next recording must not meet this one's maximum"


def test_frames_that_hear_nan_are_not_usable() -> None:
    usable = np.concatenate([block.usable for block in Inference(Frames()).frames(noise(40, 16000, 500_000), [HIDDEN])])
    assert np.flatnonzero(~usable).tolist() == [49, 50, 1562]


def test_a_recording_shorter_than_a_frame() -> None:
    with pytest.raises(RecordingError, match="noise has 24 ms; this model needs 25 ms"):
        list(Inference(Frames()).frames(Recording("noise", ArraySource(np.zeros(399), 16000)), [HIDDEN]))


def test_a_gpu_full_of_chunks_says_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    class FewChunks(Frames):
        def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            if len(batch) > 1:
                raise RuntimeError("MPS backend out of memory")
            return super().frames(batch, names)

    monkeypatch.setattr(Compute, "on_cpu", False)  # chunks go together on a GPU only
    said: list[str] = []
    blocks = list(Inference(FewChunks(), 8, said.append).frames(noise(80), [HIDDEN]))
    assert said == ["out of GPU memory: going on with 1 chunks at once"]
    assert blocks[-1].end == (80 * 16000 - 400) // 320 + 1


def plain_pool(recording: Recording, grid: WindowGrid) -> tuple[np.ndarray, np.ndarray]:
    """Twice the mean of the frames whose middle lies in each window, or of the nearest, one window after the other."""
    signal = np.concatenate(list(recording.blocks(16000)))
    count = (len(signal) - 400) // 320 + 1
    pieces = [signal[320 * frame : 320 * frame + 400] for frame in range(count)]
    frames = np.array([(np.nan_to_num(piece).mean(), np.nan_to_num(piece)[0]) for piece in pieces])
    middles = 320 * np.arange(count) + 200
    values, usable = np.zeros((grid.count, 2)), np.zeros(grid.count, bool)
    for index in range(grid.count):
        begin = 16 * (index * grid.stride_ms - grid.left_ms)
        end = begin + 16 * grid.length_ms
        inside = np.flatnonzero((middles >= begin) & (middles < end))
        if not len(inside):
            inside = np.array([np.argmin(np.abs(middles - (begin + end) / 2))])
        heard = all(np.isfinite(pieces[frame]).all() for frame in inside)
        usable[index] = heard and 16 * index * grid.stride_ms < len(signal)
        values[index] = 2 * frames[inside].mean(axis=0) if usable[index] else 0
    return values, usable


@pytest.mark.parametrize(
    "times", [(40, 40, 0, 0), (40, 40, 960, 0), (10, 15, 0, 0), (50, 50, 475, 475), (1000, 250, 0, 33), (5, 500, 0, 0)]
)
@pytest.mark.parametrize("bad", [(), (16000, 400_000, 799_999)])
def test_pooled_windows_are_means_of_the_frames_in_them(times: tuple[int, int, int, int], bad: tuple[int, ...]) -> None:
    recording = noise(50.01, *bad)
    grid = WindowGrid.fit(*times, 50_500)  # half a second past the recording's end
    calls: list[tuple[int, int]] = []
    found = Inference(Frames(), 99, progress=lambda *call: calls.append(call)).pooled(recording, grid, ["out"])["out"]
    values, usable = plain_pool(recording, grid)
    # Where the last frame's middle lies before the window, that frame is the nearest one that there is.
    np.testing.assert_array_equal(found.usable, usable)
    np.testing.assert_allclose(found.values, values, atol=2e-6)
    assert calls[-1] == (grid.count, grid.count)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_of_a_recording_that_goes_on_only_what_the_windows_need_is_encoded() -> None:
    chunks: list[int] = []

    class Counted(Frames):
        def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            chunks.append(len(batch))
            return super().frames(batch, names)

    encoder, recording = Counted(), noise(130)
    found = [
        Inference(encoder).pooled(recording, WindowGrid.fit(40, 40, 100, 60, end_ms), ["out"])["out"]
        for end_ms in (1000, 130_000)
    ]
    assert sum(chunks) == 1 + 5
    np.testing.assert_array_equal(found[0].values, found[1].values[:25])
    assert found[0].usable.all()


def test_a_head_that_overflows_is_an_error() -> None:
    class Overflowing(Frames):
        def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
            return {"out": pooled / 0}

    with pytest.raises(ModelError, match=r"infinite values for intact audio at 0\.000 s; the weights may be damaged"):
        Inference(Overflowing()).pooled(noise(1), GRID, ["out"])


def test_nothing_asked_for_nothing_pooled() -> None:
    class Never(Frames):
        def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            raise AssertionError("nothing was asked for")

    assert Inference(Never()).pooled(noise(1), GRID, []) == {}
