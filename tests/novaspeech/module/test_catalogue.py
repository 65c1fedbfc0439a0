"""A module that has neither weights to fetch nor the options of those that have: every command takes it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import novaspeech
from novaspeech.command.main import main
from novaspeech.errors import OptionError
from novaspeech.module import catalogue
from novaspeech.module.options import Options
from tests.conftest import SPEECH
from tests.repository.test_developers_page import blocks


@pytest.fixture
def my_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The module of docs/developers.md, which has neither weights nor the option `model`."""
    (options, code), [trainer], folder = blocks("python"), blocks("xml"), tmp_path / "my_level"
    folder.mkdir()
    for name, content in (
        ("__init__.py", ""),
        ("options.py", options),
        ("my_level.py", code),
        ("version.py", '__version__ = "0.1.0"'),
        ("my_level.trainer", trainer),
    ):
        (folder / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(catalogue, "MODULES", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_level"
    for name in [name for name in sys.modules if name.startswith("my_level")]:
        del sys.modules[name]


def test_the_trainer_on_the_page_has_the_optstr_of_its_options(my_level: str) -> None:
    trainer = catalogue.load_trainer(my_level)
    optstr = catalogue.processor_class(trainer).options_class.optstr()
    assert f'optstr="{optstr}"' in blocks("xml")[0]


def test_nothing_is_fetched(my_level: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", my_level]) == 0
    assert f"{my_level}: {catalogue.MODULES / my_level}" in capsys.readouterr().out
    assert catalogue.published_is_here(my_level)
    assert catalogue.published_name(my_level) == ""


def test_it_shows_only_what_it_uses(my_level: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modules", my_level]) == 0
    shown = [line.split()[1] for line in capsys.readouterr().out.splitlines() if "option " in line]
    assert shown == [name for name in Options.fields() if name != "model"]
    for name in ("model", "device", "batch_size"):
        with pytest.raises(OptionError, match=f"unknown option '{name}'; .* options are {', '.join(shown)}$"):
            novaspeech.load(my_level, **{name: "cpu"})


def test_it_runs(my_level: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", my_level]) == 0
    assert "no weights on cpu" in capsys.readouterr().out
    result = novaspeech.load(my_level)(SPEECH, end="1s")
    assert result["level"].shape == (25, 1)
    assert -100 <= result["level"].min() < -50 < result["level"].max() < 0
