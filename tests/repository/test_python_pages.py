"""Every block of docs/python.md and every cell of the notebooks, in their order, with stand-ins for models."""

import ast
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


def cells_of(name: str) -> list[dict[str, Any]]:
    content = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def of_notebook(name: str) -> dict[str, Any]:
    cells = cells_of(name)
    assert all(cell["outputs"] == [] for cell in cells), "it is kept without what it prints"
    return run(["".join(cell["source"]) for cell in cells], NOTEBOOKS / f"{name}.ipynb")


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


def test_a_study_shows_what_it_gives(capsys: pytest.CaptureFixture[str]) -> None:
    """Its cells are run, and what stands below each is what it gives, numbers but for the last of two digits."""
    shutil.copy(ROOT / "demo" / "recording.flac", "lesson.flac")
    shutil.copy(ROOT / "demo" / "reference.flac", "interviewer.flac")
    names: dict[str, Any] = {}
    for cell in cells_of("study"):
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) and cell["outputs"] else None
        exec(compile(tree, "study.ipynb", "exec"), names)  # noqa: S102
        given = repr(eval(compile(ast.Expression(last.value), "study.ipynb", "eval"), names)) if last else ""  # noqa: S307
        shown = "".join(part for output in cell["outputs"] for part in _text_of(output))
        if "<Figure" not in shown:
            _check_alike(capsys.readouterr().out + given, shown)
    assert len(plt.gcf().axes[0].lines) == 2


def _text_of(output: dict[str, Any]) -> list[str]:
    return list(output.get("text") or output["data"]["text/plain"])


def _check_alike(given: str, shown: str) -> None:
    words, expected = given.split(), shown.split()
    assert len(words) == len(expected) > 0 or given == shown == ""
    for word, other in zip(words, expected, strict=True):
        if re.fullmatch(r"-?\d+\.\d+", other):
            assert float(word) == pytest.approx(float(other), abs=0.021)
        else:
            assert word == other
