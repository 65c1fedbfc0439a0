"""What is wrong with a job or a request, in one line each, by the host's du-process in this process.

Two of each kind go through a real server's environment, in tests/real_servers/test_discover_venv.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import Wav2Vec2Config

from novaspeech.errors import NovaspeechError
from tests.conftest import SPEECH, Job

Run = Callable[..., Job]


def wrong_model(folder: Path) -> Path:
    Wav2Vec2Config().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text("{}")
    (folder / "model.safetensors").touch()
    return folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"speed": 2},
            "unknown option 'speed'; this module's options are model, context, chunk, overlap, backend, device",
        ),
        ({"batch_size": 0}, "option 'batch_size' is 0; it must be a whole number of at least 1"),
        ({"batch_size": -3}, "option 'batch_size' is -3; it must be"),
        ({"batch_size": "many"}, "option 'batch_size' is 'many'; it must be"),
        ({"device": "tpu"}, "option 'device' is 'tpu'; it must be one of auto, cpu, cuda, mps"),
        ({"model": "no/such"}, "name it in the option 'model', or copy a cache that has it"),
        ({"model": "{folder}/empty"}, "{folder}/empty is no model folder: it needs config.json"),
        (
            {"model": "{folder}/other"},
            "{folder}/other holds a 'wav2vec2' model; this module needs one of type 'wav2vec2-bert'",
        ),
    ],
)
def test_jobs_that_cannot_begin(
    run_job: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    wrong_model(tmp_path / "other")
    filled = {
        name: value.format(folder=tmp_path) if isinstance(value, str) else value for name, value in options.items()
    }
    with pytest.raises(NovaspeechError) as caught:
        run_job(SPEECH, filled)
    assert message.format(folder=tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.stream*"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"outputs": ["arousal"]}, "the request asks for output 'arousal'; this module gives embeddings"),
        ({"audio": None}, "the request needs an audio input with the id 'audio'; its inputs are: none"),
        ({"frame_size": "20ms"}, "windows of 20 ms (frame 20, left 0, right 0) are too short"),
        ({"frame_size": "40ms", "stride": "0"}, "frame size 40 ms and stride 0 ms must be more than 0"),
    ],
)
def test_requests_that_cannot_be_served(
    run_module: Run, small_model: Path, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    arguments = {"audio": SPEECH, "outputs": ["embeddings"]} | changed
    audio, outputs = arguments.pop("audio"), arguments.pop("outputs")
    job = run_module("w2v_bert_2", audio, {"model": str(small_model)}, outputs, "out", **arguments)
    assert job.code == 1
    assert f"Processor exited with error: 'dummy_session: {message}" in job.printed
    assert not list(tmp_path.glob("*.stream*"))
