from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from novaspeech.audio.buffer import WindowBatch, WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.sources import ArraySource
from novaspeech.errors import ModelError, OptionError
from novaspeech.inference.encoder import Encoder, FrameEncoder, choose_device, choose_dtype, float32_products
from novaspeech.inference.engine import encode_recording

CPU = torch.device("cpu")


class FirstAndMean(Encoder):
    """Gives each window's first sample and its mean. A stand-in for models, so that rows can be written down."""

    def __init__(self) -> None:
        super().__init__(sampling_rate=16000, min_length=1, device=CPU, dimensions={"first": 1, "both": 2})
        self.sizes: list[int] = []

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        self.sizes.append(len(batch))
        first, mean = batch.windows[:, :1], batch.windows.mean(1, keepdim=True)
        return {"first": first, "both": torch.cat([first, mean], 1)}


class LessItsMean(FirstAndMean):
    """Takes the recording's mean off each window's first sample, and gives the mean as an output of the whole."""

    mean = 0.0

    def adapted(self, recording: Recording, log: Callable[[str], None]) -> LessItsMean:
        adapted = copy.copy(self)
        adapted.mean = float(np.mean(np.concatenate(list(recording.blocks(16000)))))
        log(f"mean {adapted.mean:g}")
        return adapted

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"first": super().encode(batch, names)["first"] - self.mean}

    def encode_whole(self, recording: Recording, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {} if np.isnan(self.mean) else {"both": torch.tensor([self.mean, 1.0 if self.mean > 1 else np.inf])}


class SmallMemory(FirstAndMean):
    """Raises what torch raises when a GPU is full, for more than 3 windows. A mock: there may be no GPU here."""

    best_batch = None

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        if len(batch) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return super().encode(batch, names)


def ramp(seconds: float) -> Recording:
    return Recording("ramp", ArraySource(np.arange(int(16000 * seconds), dtype=np.float32), 16000))


@pytest.mark.parametrize("batch_size", [1, 7, 250])
def test_row_i_is_window_i(batch_size: int) -> None:
    grid = WindowGrid.fit(40, 40, 0, 0, 2000)
    calls: list[tuple[int, int]] = []
    encoded = encode_recording(
        ramp(2), grid, FirstAndMean(), ["first", "both"], batch_size=batch_size, progress=lambda *c: calls.append(c)
    )
    starts = np.arange(50, dtype=np.float32) * 640
    np.testing.assert_array_equal(encoded.values["first"], starts[:, None])
    np.testing.assert_allclose(encoded.values["both"][:, 1], starts + 319.5)
    assert encoded.values["both"].dtype == np.float32
    assert encoded.usable.all()
    assert calls[-1] == (50, 50)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


def test_only_what_is_asked_for_is_kept() -> None:
    encoded = encode_recording(ramp(1), WindowGrid.fit(40, 40, 0, 0, 1000), FirstAndMean(), ["both"], batch_size=5)
    assert list(encoded.values) == ["both"]


def test_an_encoder_may_look_at_the_whole_recording_first() -> None:
    encoder, grid, said = LessItsMean(), WindowGrid.fit(40, 40, 0, 0, 1000), []
    arguments = {"batch_size": 7, "log": said.append}
    encoded = encode_recording(ramp(1), grid, encoder, ["first"], whole=["both"], **arguments)
    np.testing.assert_array_equal(encoded.values["first"][:, 0], np.arange(25) * 640 - 7999.5)
    np.testing.assert_array_equal(encoded.values["both"], [[7999.5, 1]])
    assert encoder.mean == 0, "the next recording must not meet this one's mean"
    assert said == ["mean 7999.5"]


def test_nothing_asked_of_windows_nothing_computed_of_them() -> None:
    encoder, calls = LessItsMean(), []
    encoded = encode_recording(
        ramp(1), WindowGrid.fit(40, 40, 0, 0, 1000), encoder, [], whole=["both"], batch_size=7,
        progress=lambda *c: calls.append(c), log=lambda line: None,
    )  # fmt: skip
    assert list(encoded.values) == ["both"]
    assert encoded.usable.all()
    assert calls == [(25, 25)]
    assert not encoder.sizes


def test_a_recording_without_usable_audio_as_a_whole_gives_zeros_and_a_line() -> None:
    recording, said = Recording("a.wav", ArraySource(np.full(16000, np.nan, np.float32), 16000)), []
    grid = WindowGrid.fit(40, 40, 0, 0, 1000)
    encoded = encode_recording(recording, grid, LessItsMean(), [], whole=["both"], batch_size=7, log=said.append)
    np.testing.assert_array_equal(encoded.values["both"], [[0, 0]])
    assert said[-1] == "a.wav holds NaN or infinite samples: zeros in both, which is of the whole recording"


def test_numbers_of_the_whole_that_are_none_are_an_error() -> None:
    silence = Recording("silence", ArraySource(np.zeros(16000, np.float32), 16000))
    grid = WindowGrid.fit(40, 40, 0, 0, 1000)
    with pytest.raises(ModelError, match="infinite values for intact audio of the whole recording; the weights may"):
        encode_recording(silence, grid, LessItsMean(), ["first"], whole=["both"], batch_size=7)


def test_on_a_cpu_a_pass_holds_no_more_than_its_caches_like() -> None:
    encoder = FirstAndMean()
    encode_recording(ramp(4), WindowGrid.fit(40, 40, 0, 0, 4000), encoder, ["first"], batch_size=250)
    assert max(encoder.sizes) == encoder.best_batch == 25


def test_windows_without_usable_audio_are_zeros_and_the_model_does_not_see_them() -> None:
    samples = np.ones(32000, np.float32)
    samples[8000] = np.nan
    encoder = FirstAndMean()
    grid = WindowGrid.fit(40, 40, 80, 0, 3000)  # a session of 3 s with 2 s of audio
    encoded = encode_recording(Recording("a", ArraySource(samples, 16000)), grid, encoder, ["first"], batch_size=250)
    empty = np.flatnonzero(~encoded.usable).tolist()
    assert empty == [12, 13, 14, *range(50, 75)]
    assert not encoded.values["first"][empty].any()
    assert (encoded.values["first"][encoded.usable] == 1).all()
    assert sum(encoder.sizes) == 75 - len(empty)


def test_a_full_gpu_halves_the_batch_and_goes_on() -> None:
    encoder, said = SmallMemory(), []
    encoded = encode_recording(
        ramp(1), WindowGrid.fit(40, 40, 0, 0, 1000), encoder, ["first"], batch_size=16, log=said.append
    )
    np.testing.assert_array_equal(encoded.values["first"][:, 0], np.arange(25) * 640)
    assert said == ["out of GPU memory: going on with 2 windows at once"]


def test_a_gpu_too_small_for_one_window_is_an_error() -> None:
    class NoMemory(FirstAndMean):
        def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.cuda.OutOfMemoryError):
        encode_recording(ramp(1), WindowGrid.fit(40, 40, 0, 0, 1000), NoMemory(), ["first"], batch_size=4)


def test_other_errors_of_a_model_are_not_taken_for_a_full_memory() -> None:
    class Broken(FirstAndMean):
        def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        encode_recording(ramp(1), WindowGrid.fit(40, 40, 0, 0, 1000), Broken(), ["first"], batch_size=4)


def test_numbers_that_are_none_are_an_error_that_says_where() -> None:
    class Overflowing(FirstAndMean):
        def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            return {"first": batch.windows[:, :1] / (batch.windows[:, :1] != 1280)}

    with pytest.raises(ModelError, match=r"NaN or infinite values for intact audio at 0\.080 s; use precision=float32"):
        encode_recording(
            ramp(1), WindowGrid.fit(40, 40, 0, 0, 1000), Overflowing(), ["first"], batch_size=4, precision="float16"
        )


def test_the_next_batch_is_read_while_the_encoder_works() -> None:
    read_by: set[str] = set()

    class Watched(ArraySource):
        def blocks(self) -> Iterator[np.ndarray]:
            for block in super().blocks():
                read_by.add(threading.current_thread().name)
                yield block

    recording = Recording("a", Watched(np.ones(16000 * 30, np.float32), 16000))
    encode_recording(recording, WindowGrid.fit(40, 40, 0, 0, 30000), FirstAndMean(), ["first"], batch_size=25)
    assert len(read_by) == 1
    assert read_by != {threading.current_thread().name}


def test_an_error_while_reading_reaches_the_caller() -> None:
    class Failing(ArraySource):
        def blocks(self) -> Iterator[np.ndarray]:
            yield np.ones((16000, 1), np.float32)
            raise OSError("the disk is gone")

    recording = Recording("a", Failing(np.ones(160000, np.float32), 16000))
    with pytest.raises(OSError, match="the disk is gone"):
        encode_recording(recording, WindowGrid.fit(40, 40, 0, 0, 10000), FirstAndMean(), ["first"], batch_size=25)


def test_a_frame_encoder_pools_its_frames_over_time() -> None:
    class Frames(FrameEncoder):
        frame_hop, frame_length = 2, 2

        def frames(self, batch: WindowBatch) -> torch.Tensor:
            return batch.windows.reshape(len(batch), -1, 2)

        def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
            return {"out": pooled}

    encoder = Frames(sampling_rate=1000, min_length=2, device=CPU, dimensions={"out": 2})
    batch = WindowBatch(torch.arange(6, dtype=torch.float32), 4, 2)
    assert encoder.encode(batch, ["out"])["out"].tolist() == [[1, 2], [3, 4]]


def test_devices() -> None:
    assert choose_device("cpu") == CPU
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == best
    if not torch.cuda.is_available():
        with pytest.raises(OptionError, match="option 'device' is 'cuda', which torch .* does not see here; use .*cpu"):
            choose_device("cuda")


def test_precisions() -> None:
    assert [choose_dtype(name) for name in ("auto", "float32", "bfloat16", "float16")] == [
        torch.float32, torch.float32, torch.bfloat16, torch.float16,
    ]  # fmt: skip


@pytest.mark.parametrize(("precision", "inside"), [("auto", "tf32"), ("float32", "ieee")])
def test_the_process_gets_its_product_precision_back(precision: str, inside: str) -> None:
    backends: Any = torch.backends
    if not hasattr(backends.cuda.matmul, "fp32_precision"):
        pytest.skip("torch before 2.9 has only the older settings")

    def now() -> tuple[str, str]:
        return backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision

    before = now()
    with float32_products(precision, torch.device("cuda")):
        assert now() == (inside, inside)
    assert now() == before
    with float32_products(precision, CPU):
        assert now() == before
