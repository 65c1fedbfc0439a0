"""`novaspeech new-module`, in a copy of the repository: what it makes does what a module must."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from novaspeech.command.main import main
from novaspeech.formats.ssi import load_output
from tests.conftest import ROOT, SPEECH


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository without what is large, and a new module in it."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("modules", "tests", "docs", "demo"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("small", "data", "pictures", "__pycache__")
        )
    for name in ("pyproject.toml", "constraints.txt", "tasks.py", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    assert main(["new-module", "own_model", "--out", str(folder / "modules")]) == 0
    with (folder / "README.md").open("a") as readme:
        readme.write("| [own_model](modules/own_model/README.md) | … |\n")
    return folder


def python(copy: Path, *words: str) -> str:
    """What Python prints in the copy."""
    environment = os.environ | {"PYTHONPATH": f"{copy / 'modules'}{os.pathsep}{copy}"}
    answer = subprocess.run(
        [sys.executable, *words], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_it_does_what_a_module_must(copy: Path) -> None:
    tests = ["tests/repository/test_duties.py", "tests/own_model/test_own_model.py"]
    said = python(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "own_model", *tests)
    assert " passed" in said
    assert "skipped" not in said
    assert int(said.split(" passed")[0].split()[-1]) > 15, said


def test_it_runs(copy: Path, tmp_path: Path) -> None:
    python(copy, "-m", "novaspeech", "run", "own_model", str(SPEECH), "--set", "device=cpu", "--out", str(tmp_path))
    assert load_output(tmp_path / "recording.own_model.embeddings.stream").data.shape == (350, 8)
    assert "works" in python(copy, "-m", "novaspeech", "doctor", "own_model")


@pytest.mark.parametrize(
    ("name", "message"),
    [("Mine", "'Mine' is no name of a module"), ("a-b", "'a-b' is no name"), ("emow2v", "emow2v exists; choose")],
)
def test_names_that_cannot_be(name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-module", name]) == 1
    assert message in capsys.readouterr().err
