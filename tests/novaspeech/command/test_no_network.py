"""A machine without the model and without a network: one line says what to do instead, and where the model is."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import novaspeech
from novaspeech.command.main import main
from novaspeech.module.catalogue import standins
from tests.conftest import SPEECH, Job

PUBLISHED = "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Hub's folder, in which nothing is."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "home"


def test_nothing_else_stands_on_standard_error(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        hub = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", hub)  # where nobody answers
    command = [sys.executable, "-m", "novaspeech", "run", "emow2v", str(SPEECH), "--out", str(tmp_path / "out")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (1, "")
    [line] = answer.stderr.splitlines()
    said = f"novaspeech: model '{PUBLISHED}' is not in {home}/hub and cannot be fetched from {hub} ("
    assert line.startswith(said)


@pytest.mark.parametrize(
    ("module", "model", "cache"),
    [
        ("emow2v", "", "hub"),
        ("speech_encoder", "", "hub"),
        ("speech_encoder", "owner/another", "hub"),
        ("byols", "", "assets/novaspeech"),  # a file on a website
    ],
)
def test_what_else_to_do(
    home: Path, tmp_path: Path, module: str, model: str, cache: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["--set", f"model={model}"] if model else []
    assert main(["run", module, str(SPEECH), "--out", str(tmp_path / "out"), *chosen]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "cannot be fetched" in line
    assert "https://" in line
    download, copy = " ".join(["novaspeech download", module, *chosen]), f"copy a cache that has it to {home}/{cache}"
    fetching = f", or {copy}, which `{download}` fills where there is a network (HF_HOME moves it)"
    small = f"; or add --set model=small, which is {module}'s own small model"
    assert line.endswith(fetching + (small if standins()[module].small else ""))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothere.wav"], "nothere.wav does not exist; give the path of an audio file on the machine that runs"),
        ([str(SPEECH), "--end", "abc"], "end is 'abc'; it must be a time, as 1.5 or 1.5s, 40ms or 1:05"),
        ([str(SPEECH), "--frame", "x"], "frame is 'x'; it must be a time, as 1.5 or 1.5s, 40ms or 1:05"),
        ([str(SPEECH), "--out", str(SPEECH)], f"--out {SPEECH} is a file; name a folder, which is made if need be"),
    ],
    ids=["recording", "end", "frame", "out"],
)
def test_faults_of_the_command_come_before_the_model_is_looked_for(
    home: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "emow2v", *words]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert not home.exists()


def test_other_commands_say_one_line_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "hello", str(SPEECH)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "add --set model=small" in line


def test_in_python_and_on_a_server(home: Path, run_module: Callable[..., Job]) -> None:
    with pytest.raises(novaspeech.WeightsError) as caught:
        novaspeech.load("emow2v")
    assert str(caught.value).endswith("; or load the module with model='small', which is emow2v's own small model")
    assert caught.value.__suppress_context__  # of calls in the Hub's client
    with pytest.raises(novaspeech.WeightsError, match="; or write small in the option 'model', which is emow2v's own"):
        run_module("emow2v", SPEECH, {}, ["arousal"], "out")
