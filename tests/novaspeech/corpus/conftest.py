from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from demo.standins import make_standin
from novaspeech.command.main import main


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
def corpus(model: Path, talks: Path) -> Callable[..., int]:
    def corpus(*more: object, inputs: Sequence[object] = ("talks",), out: object = "out") -> int:
        words = ["corpus", "emow2v", *inputs, "--out", out, "--output", "arousal", "--output", "embedding"]
        return main([*map(str, words), "--set", f"model={model}", *map(str, more)])

    return corpus


def content(folder: Path | str = "out") -> dict[str, bytes]:
    """What is in a tree, by its place in it, but for status, report and what is known of the work."""
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    names = {file.relative_to(folder).as_posix(): file for file in files}
    ours = (".corpus/ended/", ".corpus/job.json", "report", "status")
    return {name: file.read_bytes() for name, file in names.items() if not name.startswith(ours)}
