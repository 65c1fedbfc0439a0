import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from novaspeech.audio.recording import Recording
from novaspeech.errors import RecordingError
from tests.novaspeech.audio.sounds import run, signal_of

RATE = 16000
RANDOM = np.random.default_rng(0)
LEFT, RIGHT = (RANDOM.normal(0, 0.1, 12 * RATE).astype(np.float32) for _ in range(2))
NAN, SILENCE = np.full(len(LEFT), np.nan, np.float32), np.zeros(len(LEFT), np.float32)


def opened(*channels: np.ndarray, channel: str | int = "mix", log: list[str] | None = None) -> np.ndarray:
    samples = np.stack(channels, axis=1)
    said = (log if log is not None else []).append
    return signal_of(Recording.of_samples(samples, RATE, "talk", channel=channel, log=said))


def test_a_mix_is_the_mean_and_a_channel_is_itself() -> None:
    np.testing.assert_array_equal(opened(LEFT, RIGHT), np.stack([LEFT, RIGHT], axis=1).mean(axis=1))
    np.testing.assert_array_equal(opened(LEFT, RIGHT, channel=1), LEFT)
    np.testing.assert_array_equal(opened(LEFT, RIGHT, channel=2), RIGHT)
    np.testing.assert_array_equal(opened(LEFT, channel=1), LEFT)


@pytest.mark.parametrize("suffix", ["wav", "flac", "m4a", "mkv"])
def test_a_channel_of_a_file(tmp_path: Path, suffix: str) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([LEFT, RIGHT], axis=1), RATE)
    codec = ["-c:a", "pcm_s16le"] if suffix == "mkv" else []
    if suffix != "wav":
        run("-i", tmp_path / "a.wav", *codec, tmp_path / f"a.{suffix}")
    found = [signal_of(Recording.open(tmp_path / f"a.{suffix}", channel=number)) for number in (1, 2)]
    for one, expected in zip(found, (LEFT, RIGHT), strict=True):
        assert np.corrcoef(one[: len(expected)], expected)[0, 1] > (0.9 if suffix == "m4a" else 0.99)


@pytest.mark.parametrize(("channels", "said"), [(1, "has 1 channel;"), (2, "has 2 channels;")])
def test_a_channel_that_is_not_there_says_how_many_there_are(channels: int, said: str) -> None:
    with pytest.raises(RecordingError, match=f"talk {said} option 'channel' is 3; it may be mix or 1 to {channels}"):
        opened(*[LEFT] * channels, channel=3)


@pytest.mark.parametrize("dead", [NAN, SILENCE], ids=["NaN", "silence"])
def test_a_dead_channel_takes_no_other_with_it(dead: np.ndarray) -> None:
    np.testing.assert_allclose(opened(LEFT, dead), LEFT, rtol=1e-6)
    np.testing.assert_allclose(opened(dead, LEFT, RIGHT), (LEFT + RIGHT) / 2, rtol=1e-5, atol=1e-8)


def test_a_channel_that_begins_as_nan_is_a_gap_until_then() -> None:
    late = RIGHT.copy()
    late[: 7 * RATE] = np.nan
    found = opened(LEFT, late)
    assert np.flatnonzero(np.isnan(found)).tolist() == list(range(7 * RATE))
    np.testing.assert_allclose(found[7 * RATE :], ((LEFT + RIGHT) / 2)[7 * RATE :], rtol=1e-5, atol=1e-8)


def test_where_no_channel_has_a_sample_there_is_none() -> None:
    assert np.isnan(opened(NAN, NAN)).all()
    assert not opened(SILENCE, SILENCE).any()


def test_channels_that_cancel_each_other_are_said() -> None:
    log: list[str] = []
    opened(LEFT, -LEFT + 1e-4 * RIGHT, log=log)
    opened(LEFT, -LEFT, log=log)
    assert len(log) == 2
    assert "mixing its 2 channels cancels 86 dB of what they hold" in log[0]
    assert "cancels all that they hold" in log[1]
    assert log[0].endswith("take one of them: channel=1")
    log.clear()
    opened(LEFT, RIGHT, log=log)
    opened(LEFT, -0.5 * LEFT, log=log)
    opened(SILENCE, SILENCE, log=log)
    assert log == []


def test_a_name_that_another_system_wrote_in_another_form_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "Gespra\u0308che"  # as a Mac's disk has it
    folder.mkdir()
    soundfile.write(folder / "Ju\u0308rgen.wav", LEFT, RATE)
    assert Recording.open(tmp_path / "Gespr\u00e4che" / "J\u00fcrgen.wav").duration_ms == 12_000
    shutil.move(folder / "Ju\u0308rgen.wav", folder / "J\u00fcrgen.wav")
    assert Recording.open(folder / "Ju\u0308rgen.wav").duration_ms == 12_000
    with pytest.raises(RecordingError, match="does not exist"):
        Recording.open(folder / "Jurgen.wav")
