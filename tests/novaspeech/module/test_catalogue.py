"""A module that has neither weights to fetch nor the options of those that have: every command takes it."""

import sys
from pathlib import Path

import pytest

import novaspeech
from novaspeech.command.main import main
from novaspeech.errors import OptionError
from novaspeech.module import catalogue
from tests.conftest import SPEECH
from tests.repository.test_developers_page import block

# The module of docs/developers.md, but for the option `model`.
SCRIPT = block("python").replace(
    "class Loudness(SpeechProcessor):",
    "from novaspeech.module.options import Options\n\n"
    "class Bare(Options):\n    without = frozenset({'model'})\n\n"
    "class Loudness(SpeechProcessor):\n    options_class = Bare\n",
)
TRAINER = block("xml").replace("{model:STRING:}", "{channel:STRING:mix}")


@pytest.fixture
def loudness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module without weights and without the option `model`."""
    folder = tmp_path / "loudness"
    folder.mkdir()
    for name, content in (
        ("__init__.py", ""),
        ("loudness.py", SCRIPT),
        ("version.py", '__version__ = "0.1.0"'),
        ("loudness.trainer", TRAINER),
    ):
        (folder / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(catalogue, "MODULES", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("loudness")]:
        monkeypatch.delitem(sys.modules, name)
    return "loudness"


def test_nothing_is_fetched(loudness: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", loudness]) == 0
    assert f"{loudness}: {catalogue.MODULES / loudness}" in capsys.readouterr().out
    assert catalogue.published_is_here(loudness)
    assert catalogue.published_name(loudness) == ""


def test_it_shows_only_what_it_uses(loudness: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modules", loudness]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines() if "option " in line] == ["channel"]
    for name in ("model", "device", "batch_size"):
        with pytest.raises(OptionError, match=f"unknown option '{name}'; this module's options are channel$"):
            novaspeech.load(loudness, **{name: "cpu"})


def test_it_runs(loudness: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", loudness]) == 0
    assert "works  " in capsys.readouterr().out
    result = novaspeech.load(loudness)(SPEECH, end="1s")
    assert result["level"].shape == (25, 1)
    assert -100 <= result["level"].min() < -50 < result["level"].max() < 0
