"""What is said of a recording's levels, and which windows are silent."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.levels import silent_windows
from novaspeech.audio.recording import Recording
from tests.conftest import ROOT, SPEECH, SYNTHETIC
from tests.novaspeech.audio.sounds import run

RATE = 16000
SECONDS = 7  # more than a block
NOISE = np.random.default_rng(0).normal(0, 0.1, SECONDS * RATE).astype(np.float32)
SILENT = np.zeros_like(NOISE)
ROW = np.ones(len(NOISE), np.float32)
TONE = np.sin(np.arange(len(NOISE)) / 3).astype(np.float32)


def remarks(samples: np.ndarray, **options: str | int) -> list[str]:
    log: list[str] = []
    Recording.of_samples(samples, RATE, "talk", log=log.append, **options)
    return log


def pcm(samples: np.ndarray) -> np.ndarray:
    """What a recorder of 16 bit makes of an amplitude."""
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (NOISE, ""),
        (pcm(NOISE), ""),
        (pcm(2 * TONE), "% of its samples are clipped, 3 or more in a row at full scale"),
        (20 * TONE, ""),  # of a 32-bit float recorder: it has no full scale
        (np.where(np.arange(len(NOISE)) < 5, 1, NOISE).astype(np.float32), ""),  # one knock
        (0.01 * NOISE, "its loudest sample is at -46."),
        (0.01 * NOISE + 0.1 * ROW, "; it has a constant offset of +10.0 %"),
        (0.01 * NOISE + 0.1 * ROW, "its loudest sample is at -46."),
        (0.03 * NOISE, ""),
        (SILENT, ""),  # said by windows
        (1e-4 * NOISE, ""),  # the same: its peak is at -87 dBFS
        (NOISE + 0.01, ""),
        (NOISE + 0.08, "it has a constant offset of +8.0 % of full scale, where its sound has an RMS of 10.0 %"),
        (NOISE - 0.08, "it has a constant offset of -8.0 % of full scale"),
        (0.002 * NOISE + 4e-4 * ROW, "its loudest sample is at -60."),  # an offset too small for anybody
        (np.full(len(NOISE), 8 / 32768, np.float32), ""),  # silence in A-law, whose smallest number is 8 of 32768
        (np.float32(32768) * NOISE, ""),  # whole numbers that nobody scaled
    ],
)
def test_what_is_said_of_a_level(samples: np.ndarray, said: str) -> None:
    found = " ".join(remarks(samples))
    assert said in found
    assert bool(found) == bool(said)


def test_how_much_is_clipped_and_all_in_one_line() -> None:
    samples = 0.3 * TONE
    samples[:: RATE // 4] = 1  # single samples at full scale are no clipping
    for start in range(100, len(samples), RATE):
        samples[start : start + 160] = 1
    [line] = remarks(pcm(samples))
    assert line.startswith("talk: 1.00 % of its samples are clipped")
    [line] = remarks(np.stack([samples, 0.002 * NOISE], axis=1), channel=1)
    assert "1.00 %" in line
    assert "clipped" not in "".join(remarks(np.stack([samples, 0.002 * NOISE], axis=1), channel=2))
    [line] = remarks(np.stack([samples, -samples], axis=1))
    assert line.startswith("talk: mixing its 2 channels cancels all")
    assert "; 1.00 % of its samples are clipped" in line


def test_the_advice_makes_it_well(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "soft.wav", 0.002 * NOISE, RATE, subtype="PCM_24")
    soundfile.write(tmp_path / "offset.wav", NOISE + 0.1, RATE)
    for name in ("soft.wav", "offset.wav"):
        log: list[str] = []
        Recording.open(tmp_path / name, log=log.append)
        words = log[0].split("ffmpeg ")[1].replace("FILE", str(tmp_path / name)).replace("OUT", str(tmp_path / "out"))
        log.clear()
        run(*words.split())
        Recording.open(tmp_path / "out.wav", log=log.append)
        assert log == []


def test_clipping_is_told_after_a_lossy_codec(tmp_path: Path) -> None:
    """Telephones clip first and encode then; what is decoded overshoots full scale."""
    speech, rate = soundfile.read(SPEECH, dtype="float32")
    soundfile.write(tmp_path / "loud.wav", np.clip(6 * speech, -1, 1), rate)
    run("-i", tmp_path / "loud.wav", "-c:a", "libopus", "-b:a", "32k", tmp_path / "loud.opus")
    log: list[str] = []
    Recording.open(tmp_path / "loud.opus", log=log.append)
    assert "clipped" in log[0]


@pytest.mark.parametrize("file", [SPEECH, SYNTHETIC / "reference.flac", ROOT / "tests" / "data" / "takes.flac"])
def test_nothing_is_said_where_all_is_well(file: Path) -> None:
    log: list[str] = []
    Recording.open(file, log=log.append)
    assert log == []


def by_definition(samples: np.ndarray, grid: WindowGrid) -> list[bool]:
    starts = [16 * grid.stride_ms * index for index in range(grid.count)]
    frames = [samples[start : start + 16 * grid.frame_ms].astype(np.float64) for start in starts]
    return [bool(len(frame) and frame.var() < 1e-9) for frame in frames]


@pytest.mark.parametrize("times", [(40, 40), (1000, 40), (40, 1000), (6000, 2500), (33, 7), (20_000, 500)])
@pytest.mark.parametrize("offset", [0, 0.25])
def test_silent_windows_are_those_whose_frame_has_no_power(times: tuple[int, int], offset: float) -> None:
    random = np.random.default_rng(1)
    length = 21 * RATE + 5
    samples = random.normal(0, 1, length) * np.repeat(random.choice([0, 1e-5, 1e-4, 0.3], 29), RATE)[:length] + offset
    samples = samples.astype(np.float32)
    samples[3 * RATE : 10 * RATE] = offset
    grid = WindowGrid(*times, 0, 0, count=22_000 // times[1])
    recording = Recording.of_samples(samples, RATE, "talk")
    found = silent_windows(recording.signal, grid)
    assert found.tolist() == by_definition(samples, grid)
    assert 0 < found.sum() < grid.count or times[0] == 20_000


def test_silence_is_dither_and_no_microphone() -> None:
    random = np.random.default_rng(0)
    dither = np.round(random.random(RATE) + random.random(RATE) - 1).astype(np.int16)  # TPDF, 16 bit
    grid = WindowGrid(40, 40, 0, 0, count=25)
    for samples, silent in [(dither, True), (random.normal(0, 10 ** (-82 / 20), RATE), False)]:
        assert silent_windows(Recording.of_samples(samples, RATE, "talk").signal, grid).all() == silent


@pytest.mark.parametrize("peak", [-6, -45, -60])
def test_a_pause_of_a_recording_that_was_turned_down_is_no_silence(peak: int) -> None:
    pauses = np.where(np.arange(len(NOISE)) // RATE % 2, 0.01, 1) * NOISE  # 40 dB softer than speech
    pauses[-RATE:] = 0
    samples = pauses / np.abs(pauses).max() * 10 ** (peak / 20)
    grid = WindowGrid(40, 40, 0, 0, count=25 * SECONDS)
    found = silent_windows(Recording.of_samples(samples, RATE, "talk").signal, grid)
    assert np.flatnonzero(found).tolist() == list(range(25 * (SECONDS - 1), 25 * SECONDS))


def test_what_is_not_known_is_not_silent() -> None:
    samples = np.zeros(RATE, np.float32)
    samples[5000] = np.nan
    samples[6400:7040] = np.inf
    found = silent_windows(Recording.of_samples(samples, RATE, "talk").signal, WindowGrid(40, 40, 0, 0, count=30))
    assert np.flatnonzero(~found).tolist() == [7, 10, *range(25, 30)]


def test_a_long_signal_is_read_block_by_block() -> None:
    quiet = np.tile(np.concatenate([np.zeros(RATE, np.float32), NOISE[:RATE]]), 70)  # lies in a temporary file
    recording = Recording.of_samples(quiet, RATE, "talk")
    grid = WindowGrid(1000, 1000, 0, 0, count=140)
    assert silent_windows(recording.signal, grid).tolist() == [True, False] * 70
