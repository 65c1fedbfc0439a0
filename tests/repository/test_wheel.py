"""The wheel, as somebody installs it who has Python and nothing else: no ffmpeg, no checkout, no extra."""

import csv
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import novaspeech
from tests.conftest import ROOT

SCORES = ("arousal", "dominance", "valence")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an empty environment, into which pip put the wheel and what it declares."""
    folder = tmp_path_factory.mktemp("wheel")
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
    environment.pop("PYTHONPATH", None)

    def pip(*words: str | Path) -> None:
        subprocess.run([sys.executable, "-m", "pip", *words], check=True, env=environment, cwd=folder)

    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "modules", folder / "modules", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", folder, folder)  # of a copy: a build leaves things behind
    [wheel] = folder.glob("novaspeech-*.whl")
    venv.create(folder / "empty", symlinks=True)
    programs = folder / "empty" / "bin"
    pip("--python", programs / "python", "install", "--quiet", "--no-compile", wheel)
    return programs


def test_it_reads_an_m4a_and_writes_csv(installed: Path, speech: Callable[..., Path], tmp_path: Path) -> None:
    recording = speech("a.m4a")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HF_", "NOVASPEECH"))
    }
    environment |= {"PATH": str(installed), "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    words = ["run", "emow2v", recording.name, "--set", "model=small", "--format", "csv"]
    answer = subprocess.run(
        [installed / "novaspeech", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    expected = novaspeech.load("emow2v", model="small", device="cpu")(recording, SCORES)
    with (tmp_path / "a.emow2v.scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 50
    for name in SCORES:
        np.testing.assert_allclose([float(row[name]) for row in rows], np.asarray(expected[name]), atol=1e-5)
