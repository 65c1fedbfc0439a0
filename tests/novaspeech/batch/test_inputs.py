"""What a command's inputs name: files, folders, patterns, lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaspeech.batch.inputs import find_recordings
from novaspeech.batch.order import tasks_of
from novaspeech.errors import RequestError

NAMES = ("b.wav", "a.FLAC", "sub/c.mp3", "sub/deep/d.wav", ".trash/e.wav", ".f.wav", "notes.txt", "sub/README", "z.txt")


@pytest.fixture
def talks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of recordings and other files, in the working directory."""
    for name in NAMES:
        (tmp_path / "talks" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "talks" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "talks"


def found(*entries: str) -> tuple[list[tuple[str, str]], list[str]]:
    """File and place in the tree of each, and what was said."""
    said: list[str] = []
    recordings = find_recordings(entries, said.append)
    return [(one.file.as_posix(), one.below.as_posix()) for one in recordings], said


def test_a_folder_is_searched_and_what_is_left_out_is_said(talks: Path) -> None:
    recordings, said = found("talks")
    assert recordings == [
        ("talks/a.FLAC", "."), ("talks/b.wav", "."), ("talks/sub/c.mp3", "sub"), ("talks/sub/deep/d.wav", "sub/deep"),
    ]  # fmt: skip
    assert said == ["talks: 4 recordings; left out 2 .txt, 2 hidden, 1 without ending"]
    for number, ending in enumerate(("pdf", "doc", "xls")):
        (talks / f"{number}.{ending}").touch()
    assert found("talks")[1][0].endswith("left out 2 .txt, 2 hidden, 1 .doc, 1 .pdf and 2 others")


def test_patterns_are_expanded_and_keep_the_tree_below_them(talks: Path) -> None:
    assert found("talks/*.wav")[0] == [("talks/b.wav", ".")]
    assert found("talks/**/*.wav")[0] == [("talks/b.wav", "."), ("talks/sub/deep/d.wav", "sub/deep")]
    assert found("talks/*/c.mp3")[0] == [("talks/sub/c.mp3", "sub")]
    assert found("tal[kx]s")[0][-1] == ("talks/sub/deep/d.wav", "talks/sub/deep")
    assert found(str(talks / "?.wav"))[0] == [((talks / "b.wav").as_posix(), ".")]


def test_a_name_that_looks_like_a_pattern_or_a_list_is_a_name_where_it_exists(talks: Path) -> None:
    for name in ("what [1].wav", "@home.wav"):
        Path(name).touch()
        assert found(name)[0] == [(name, ".")]


def test_lists_hold_an_input_a_line(talks: Path) -> None:
    Path("list.txt").write_text("\ufefftalks/b.wav\r\n\n  talks/sub  \n@odd.wav\ntalks/a.*\n", encoding="utf-8")
    assert found("@list.txt")[0] == [
        ("talks/b.wav", "."), ("talks/sub/c.mp3", "."), ("talks/sub/deep/d.wav", "deep"), ("@odd.wav", "."),
        ("talks/a.FLAC", "."),
    ]  # fmt: skip


def test_each_recording_comes_once_where_it_is_named_first(talks: Path) -> None:
    assert found("talks/sub/deep/d.wav", "talks/sub/../sub", "missing.wav")[0] == [
        ("talks/sub/deep/d.wav", "."), ("talks/sub/../sub/c.mp3", "."), ("missing.wav", "."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("nothing/*.wav", "nothing matches nothing/*.wav; nothing is where it was looked for"),
        ("empty", "empty holds no recordings; they are known by their endings, as .wav or .mp4"),
        ("@none.txt", "the list none.txt cannot be read"),
        ("@bad.txt", "the list bad.txt cannot be read"),
    ],
)
def test_what_names_nothing_is_refused(talks: Path, entry: str, said: str) -> None:
    Path("empty").mkdir()
    Path("empty/notes.txt").touch()
    Path("bad.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError) as error:
        found(entry)
    assert str(error.value).startswith(said)


def test_a_tree_is_kept_below_out(talks: Path) -> None:
    recordings = find_recordings(["talks"], lambda line: None)
    assert [task.folder.as_posix() for task in tasks_of(recordings, Path("out"))] == [
        "out",
        "out",
        "out/sub",
        "out/sub/deep",
    ]
    assert [task.folder for task in tasks_of(recordings, None)] == [task.file.parent for task in recordings]


@pytest.mark.parametrize("out", [None, Path("out")])
def test_two_that_would_write_the_same_files_are_refused(talks: Path, out: Path | None) -> None:
    (talks / "b.mp3").touch()
    with pytest.raises(RequestError, match=r"^talks/b\.mp3 and talks/b\.wav would both write "):
        tasks_of(find_recordings(["talks"], lambda line: None), out)
