from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.signal import Signal
from novaspeech.audio.windows import Statistics, WindowBatch
from novaspeech.errors import ModelError, RecordingError
from novaspeech.inference.encoder import Hearer
from novaspeech.inference.engine import Inference, Windows
from novaspeech.inference.pooling import HIDDEN
from novaspeech.models.compute import Compute
from tests.novaspeech.audio.sounds import signal_of
from tests.novaspeech.inference.made import GRID, Framed, Frames, noise, ramp


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
    signal = torch.from_numpy(signal_of(recording))
    whole = Frames().frames(WindowBatch(signal, len(signal), 1), [HIDDEN])[HIDDEN][0].numpy()
    np.testing.assert_array_equal(np.concatenate([block.array(HIDDEN) for block in blocks]), whole)


def test_chunks_carry_what_the_model_takes_from_the_whole() -> None:
    class LessItsMaximum(Framed):
        def statistics_of(self, signal: Signal) -> Statistics:
            return (torch.tensor([max(float(block.max()) for block in signal.blocks())]),)

        def __call__(self, batch: WindowBatch) -> torch.Tensor:
            return super().__call__(batch) - batch.statistics[0]

    front = LessItsMaximum()
    encoder = Frames(front)
    [block] = Inference(encoder).frames(ramp(1), [HIDDEN])
    np.testing.assert_array_equal(block.array(HIDDEN)[:, 1], 320 * np.arange(49) - 15999)


def test_frames_that_hear_nan_are_not_usable() -> None:
    usable = np.concatenate([block.usable for block in Inference(Frames()).frames(noise(40, 16000, 500_000), [HIDDEN])])
    assert np.flatnonzero(~usable).tolist() == [49, 50, 1562]


def test_a_recording_shorter_than_a_frame() -> None:
    with pytest.raises(RecordingError, match="noise has 24 ms; this model needs 25 ms"):
        list(Inference(Frames()).frames(Recording.of_samples(np.zeros(399), 16000, "noise"), [HIDDEN]))


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


def pooled(encoder: Frames, recording: Recording, grid: WindowGrid, **settings: Any) -> Windows:
    return Inference(encoder, context="recording", **settings).encode(recording, grid, ["out"])["out"]


def plain_pool(recording: Recording, grid: WindowGrid) -> tuple[np.ndarray, np.ndarray]:
    """Twice the mean of the frames whose middle lies in each window, or of the nearest, one window after the other."""
    signal = signal_of(recording)
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
    found = pooled(Frames(), recording, grid, batch_size=99, progress=lambda *call: calls.append(call))
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
    found = [pooled(encoder, recording, WindowGrid.fit(40, 40, 100, 60, end_ms)) for end_ms in (1000, 130_000)]
    assert sum(chunks) == 1 + 5
    np.testing.assert_array_equal(found[0].values, found[1].values[:25])
    assert found[0].usable.all()


def test_a_head_that_overflows_is_an_error() -> None:
    class Overflowing(Frames):
        def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
            return {"out": pooled / 0}

    with pytest.raises(ModelError, match=r"infinite values for intact audio at 0\.000 s; the weights may be damaged"):
        pooled(Overflowing(), noise(1), GRID)


def test_nothing_asked_for_nothing_pooled() -> None:
    class Never(Frames):
        def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            raise AssertionError("nothing was asked for")

    assert Inference(Never(), context="recording").encode(noise(1), GRID, []) == {}


def test_windows_that_pool_frames_may_be_as_long_as_they_like() -> None:
    grid = WindowGrid.fit(40, 40, 3_600_000, 3_600_000, 1000)
    assert pooled(Frames(), noise(1), grid).usable.all()


def test_a_frame_that_is_no_number_is_named_by_its_own_time() -> None:
    class Overflowing(Frames):
        def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
            frames = super().frames(batch, names)[HIDDEN]
            frames[:, 100] = torch.inf
            return {HIDDEN: frames}

    with pytest.raises(ModelError, match=r"at 2\.000 s; the weights may be damaged"):  # 3 frames before it hear NaN
        list(Inference(Overflowing()).frames(noise(5, 16000, 24000), [HIDDEN]))


class Leaky(Hearer):
    """A recurrent network of one leaky cell: a frame is half the one before and half the mean of its samples."""

    frame_hop, frame_length = 320, 320

    def __init__(self) -> None:
        super().__init__(sampling_rate=16000, min_length=320, dimensions={"level": 1})

    def hear(self, pieces: Iterator[torch.Tensor], names: Collection[str]) -> Iterator[dict[str, torch.Tensor]]:
        state, rest = torch.zeros(1), torch.zeros(0)
        for piece in pieces:
            signal = torch.cat([rest, piece])
            frames = []
            for mean in signal[: len(signal) // 320 * 320].reshape(-1, 320).mean(dim=1):
                state = (state + mean) / 2
                frames.append(state)
            rest = signal[len(frames) * 320 :]
            if frames:
                yield {HIDDEN: torch.stack(frames)}

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"level": pooled}


def test_a_model_that_carries_state_hears_the_recording_in_one_pass() -> None:
    recording = noise(12, 16000)
    blocks = list(Inference(Leaky()).frames(recording, [HIDDEN]))
    assert [block.first for block in blocks] == [0, *(block.end for block in blocks[:-1])]
    assert [block.last for block in blocks] == [False] * (len(blocks) - 1) + [True]
    signal = signal_of(recording)
    signal[16000] = (signal[15999] + signal[16001]) / 2  # a straight line stands in
    state, expected = 0.0, []
    for mean in signal.reshape(-1, 320).mean(axis=1):
        state = (state + mean) / 2
        expected.append(state)
    found = np.concatenate([block.array(HIDDEN) for block in blocks])[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.flatnonzero(~np.concatenate([block.usable for block in blocks])).tolist() == [50]
    windows = Inference(Leaky()).encode(recording, WindowGrid.fit(40, 40, 0, 0, 12_000), ["level"])["level"]
    np.testing.assert_allclose(windows.values[30:, 0], found.reshape(-1, 2).mean(axis=1)[30:], atol=1e-6)
    assert np.flatnonzero(~windows.usable).tolist() == [25]


def test_a_recording_too_short_for_such_a_model_says_so() -> None:
    with pytest.raises(RecordingError, match="noise has 19 ms, too short for this model"):
        Inference(Leaky()).encode(noise(0.019), WindowGrid.fit(5, 5, 0, 0, 19), ["level"])


def test_of_several_recordings_only_the_one_that_is_too_short_has_no_frames() -> None:
    grid = WindowGrid.fit(5, 5, 0, 0, 15)
    short, long = Inference(Leaky()).encode_all([(noise(0.019), grid), (noise(1), grid)], ["level"])
    assert isinstance(short, RecordingError)
    assert isinstance(long, dict)
    assert long["level"].usable.all()
