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
