"""The module as a server runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from novaspeech.errors import OptionError, WeightsError
from tests.conftest import SPEECH, Job
from tests.references import cut_windows
from tests.speech_encoder.test_encoder import reference

Run = Callable[..., Job]


@pytest.fixture
def run(run_module: Run, folders: dict[str, Path]) -> Run:
    def run(name: str, audio: Path = SPEECH, options: dict[str, object] | None = None, **arguments: str) -> Job:
        model = {"model": str(folders[name])}
        return run_module("speech_encoder", audio, model | (options or {}), ["embeddings"], "out", **arguments)

    return run


@pytest.mark.parametrize("name", ["wavlm-base-plus", "whisper"])
def test_a_job(run: Run, folders: dict[str, Path], name: str) -> None:
    from novaspeech.audio.grid import WindowGrid

    job = run(name, frame_size="1s", left_context="500ms", options={"layer": "all", "pooling": "mean_std"})
    stream = job.load()
    assert stream.data.shape == (14, 64)
    assert stream.meta_data.sample_rate == 1
    windows = cut_windows(SPEECH, WindowGrid.fit(1000, 1000, 500, 0, 14018))
    for row in (0, 7, 13):
        hidden = np.mean(reference(folders[name], windows[row].astype(np.float32)), axis=0)
        expected = np.concatenate([hidden.mean(axis=0), hidden.std(axis=0)])
        np.testing.assert_allclose(stream.data[row], expected, atol=1e-4 * np.abs(expected).max())


def test_the_trainers_windows(run: Run) -> None:
    job = run("hubert-base", end="2s")
    assert job.load().data.shape == (50, 32)
    assert "50 windows, one every 40 ms: 40 ms with 960 ms before and 0 ms after" in job.printed


def test_nan_silence_and_20_ms(run: Run, mono: Callable[..., Path]) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 32000)
    samples[20000] = np.nan
    job = run("xls-r", mono("nan.wav", samples), frame_size="200ms")
    assert np.flatnonzero(~job.load().data.any(axis=1)).tolist() == [6]
    assert np.isfinite(run("xls-r", mono("silence.wav", np.zeros(16000)), frame_size="200ms").load().data).all()
    job = run("xls-r", mono("short.wav", np.zeros(320)))
    assert job.code == 1
    assert "0.020 s of audio are shorter than one step of 40 ms" in job.printed
    job = run("xls-r", mono("windows.wav", np.zeros(16000)), frame_size="20ms")
    assert "windows of 20 ms (frame 20, left 0, right 0) are too short for this model, which needs 25 ms" in job.printed


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"pooling": "median"}, OptionError, "option 'pooling' is 'median'; it must be one of mean, max, mean_std"),
        ({"layer": 9}, OptionError, "option 'layer' is '9'; this model has the layers 0 to 3"),
        ({"model": "{demo}"}, WeightsError, "is no model folder: it needs config.json"),
    ],
)
def test_wrong_options(run: Run, options: dict[str, object], kind: type[Exception], message: str) -> None:
    filled = {name: str(SPEECH.parent) if value == "{demo}" else value for name, value in options.items()}
    with pytest.raises(kind, match=message):
        run("wavlm-base-plus", options=filled)


def test_a_model_of_another_kind(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "preprocessor_config.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(WeightsError, match="holds a 'bert' model; this module needs one of type 'data2vec-audio' or "):
        run("wavlm-base-plus", options={"model": str(tmp_path)})
