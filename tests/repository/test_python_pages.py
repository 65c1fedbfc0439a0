"""Every block of docs/python.md and every cell of the notebooks, in their order, with stand-ins for models."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from demo.standins import lay_out
from tests.conftest import ROOT, SPEECH, SPELLER, SYNTHETIC

PAGE = ROOT / "docs" / "python.md"
NOTEBOOKS = ROOT / "docs" / "notebooks"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Hub's cache, with stand-ins in it."""
    folder = tmp_path_factory.mktemp("home")
    for module in ("emow2v", "wav2vec2_sv", "wav2vec2_kws"):
        place = lay_out(module, folder)
    shutil.copytree(SPELLER, place, dirs_exist_ok=True)  # the last one, which is to find words
    return folder


@pytest.fixture(autouse=True)
def desk(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A working directory with the recordings that the pages name."""
    sources = {"interview": SPEECH, "somebody": SYNTHETIC / "reference.flac", "words": SYNTHETIC / "words.flac"}
    for name, source in sources.items():
        shutil.copy(source, tmp_path / f"{name}.flac")
    for name in ("HF_HUB_CACHE", "HF_ASSETS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    yield
    plt.close("all")


def run(blocks: list[str], source: Path) -> dict[str, Any]:
    """What the blocks leave behind, by name."""
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(source), "exec"), names)  # noqa: S102
    return names


def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 9
    names = run(blocks, PAGE)
    assert names["arousal"].shape == (350,)
    assert len(names["by_second"]) == 14
    assert names["score"].shape == (70,)
    assert {hit[0] for hit in names["hits"]} == {"money", "question", "thank you"}
    assert sorted(file.suffix for file in Path("out").iterdir() if "arousal" in file.name) == [
        ".annotation", ".annotation~", ".npz",
    ]  # fmt: skip
    assert Path("out/interview.emow2v.scores.csv").is_file()
    assert names["middle"].times[0].tolist() == [3, 3.04]
    assert "missing.wav does not exist" in capsys.readouterr().out


def of_notebook(name: str) -> dict[str, Any]:
    file = NOTEBOOKS / f"{name}.ipynb"
    content = json.loads(file.read_text(encoding="utf-8"))
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells), "notebooks are kept without what they print"
    return run(["".join(cell["source"]) for cell in cells], file)


def test_arousal_over_an_interview() -> None:
    names = of_notebook("arousal")
    assert len(names["smooth"]) == 3
    assert names["table"].shape == (350, 2)
    assert Path("excited.csv").is_file()


def test_who_speaks_when(capsys: pytest.CaptureFixture[str]) -> None:
    names = of_notebook("speakers")
    assert len(names["labels"]) == len(names["vectors"]) == 56
    assert f"{len(names['turns'])} turns, " in capsys.readouterr().out
    assert Path("out/interview.TextGrid").is_file()


def test_keywords_in_an_hour(capsys: pytest.CaptureFixture[str]) -> None:
    names = of_notebook("keywords")
    assert set(names["summary"].index) == {"money", "question", "thank you"}
    assert "thank you" in capsys.readouterr().out
    assert Path("out/words.wav2vec2_kws.words.srt").is_file()
