"""Fixtures: a small model, speech in many formats, and jobs run by the host's own du-process in this process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from discover_utils.data.handler.file_handler import FileHandler
from discover_utils.scripts import process

from demo.standins import make_w2v_bert_2

ROOT = Path(__file__).resolve().parents[1]
SPEECH = ROOT / "demo" / "recording.flac"
TRAINER = "modules\\w2v_bert_2\\w2v_bert_2.trainer"


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small-w2v-bert-2")
    make_w2v_bert_2(folder)
    return folder


@pytest.fixture
def speech(tmp_path: Path) -> Callable[..., Path]:
    """Writes some seconds of the demo's recording in a format that ffmpeg knows."""

    def write(name: str, *arguments: str, seconds: float = 2.0) -> Path:
        path = tmp_path / name
        command = ["ffmpeg", "-v", "error", "-y", "-t", str(seconds), "-i", str(SPEECH), *arguments, str(path)]
        subprocess.run(command, check=True)
        return path

    return write


@pytest.fixture
def mono(tmp_path: Path) -> Callable[..., Path]:
    """Writes an array as a 16 kHz float WAV."""

    def write(name: str, samples: np.ndarray, rate: int = 16000) -> Path:
        path = tmp_path / name
        soundfile.write(path, samples, rate, subtype="FLOAT")
        return path

    return write


class Job:
    """A job run by the host's script in this process."""

    def __init__(self, code: int, printed: str, outputs: dict[str, Path]) -> None:
        self.code = code
        self.printed = printed
        self.outputs = outputs

    def load(self, output: str = "embeddings") -> Any:
        """The host's object of an output."""
        return FileHandler().load(self.outputs[output])


@pytest.fixture
def run_job(tmp_path: Path, small_model: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Job]:
    """Runs w2v_bert_2 with the small model; keyword arguments are those of du-process, such as frame_size="40ms"."""

    def run(audio: Path, options: dict[str, Any] | None = None, name: str = "out", **arguments: str) -> Job:
        outputs = {"embeddings": tmp_path / f"{name}.stream"}
        data = [
            {"src": "file:stream:audio", "type": "input", "id": "audio", "uri": str(audio)},
            {"src": "file:stream:SSIStream", "type": "output", "id": "embeddings", "uri": str(outputs["embeddings"])},
        ]
        words = ["--trainer_file_path", TRAINER, "--cml_dir", str(ROOT), "--cache_dir", str(tmp_path)]
        words += ["--tmp_dir", str(tmp_path), "--data", json.dumps(data)]
        words += ["--options", json.dumps({"model": str(small_model)} | (options or {}))]
        words += [f"--{key}={value}" for key, value in arguments.items()]
        capfd.readouterr()
        code = 0
        try:
            process.main(words)
        except SystemExit as end:
            code = int(end.code or 0)
        return Job(code, capfd.readouterr().out, outputs)

    return run
