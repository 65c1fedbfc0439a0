import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from demo.standins import make_standin
from novaspeech.command.main import main

Run = Callable[..., int]
OUTPUTS = ("--output", "arousal", "--output", "embedding")
DONE = {"a": "done", "b": "done", "sub/c": "done", "sub/d ü": "done", "e": "done", "cut": "failed"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_standin("emow2v", tmp_path_factory.mktemp("models") / "emow2v")


@pytest.fixture
def talks(speech: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with five recordings of 1 to 3 s and one that is cut; the working directory is beside it."""
    folder = tmp_path / "talks"
    (folder / "sub").mkdir(parents=True)
    for name, seconds in (("a.wav", 2), ("b.flac", 3), ("sub/c.m4a", 2), ("sub/d ü.wav", 1.5), ("e.wav", 1)):
        speech(Path(name).name, seconds=seconds).rename(folder / name)
    (folder / "cut.flac").write_bytes((folder / "b.flac").read_bytes()[:30_000])
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def run(model: Path, talks: Path) -> Run:
    def run(*more: object, inputs: Sequence[object] = ("talks",), out: object = "out") -> int:
        words = ["run", "emow2v", *inputs, *(["--out", out] if out else []), "--set", f"model={model}", *more]
        return main([*map(str, words), *(() if "--output" in more else OUTPUTS)])

    return run


def content(folder: Path | str = "out") -> dict[str, bytes]:
    """What is in a tree, by its place in it, but for records, status, report, claim, and what a kill left hidden."""
    files = [file for file in Path(folder).rglob("*") if file.is_file() and ".novaspeech-" not in str(file)]
    names = {file.relative_to(folder).as_posix(): file for file in files}
    return {
        name: file.read_bytes() for name, file in names.items() if file.name[0] not in "._" and "/." not in f"/{name}"
    }


def done(folder: str = "out") -> int:
    """How many recordings are done so far."""
    return sum(b'"made"' in file.read_bytes() for file in Path(folder).glob(".*.emow2v.json"))


def report(file: str = "out/_emow2v.report.jsonl") -> dict[str, dict[str, Any]]:
    """What the report says of each id, which stands there once."""
    rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row for row in rows}


def statuses(file: str = "out/_emow2v.report.jsonl") -> dict[str, str]:
    return {row_id: row["status"] for row_id, row in report(file).items()}


def command(model: Path, *more: str, inputs: Sequence[str] = ("talks",), out: str = "out") -> list[str]:
    """The same for a Python of its own."""
    words = ["-m", "novaspeech", "run", "emow2v", *inputs, "--out", out, "--set", f"model={model}"]
    return [*words, *OUTPUTS, *more]


def until(reached: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it did not come to it"
        time.sleep(0.01)
