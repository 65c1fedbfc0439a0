"""Which recordings files, folders, patterns and lists name; manifests and URLs: test_rows.py."""

from pathlib import Path

import pytest

from novaspeech.corpus.rows import read_rows, seen_from
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


def found(*entries: str, beside: bool = False) -> tuple[dict[str, str], list[str]]:
    """Place of each recording, from where we are, by its id; and what was said."""
    said: list[str] = []
    rows = read_rows(entries, said.append, beside=beside)
    return {row.id: Path(row.place).relative_to(Path.cwd()).as_posix() for row in rows}, said


def test_a_folder_is_searched_and_what_is_left_out_is_said(talks: Path) -> None:
    recordings, said = found("talks")
    assert recordings == {
        "a": "talks/a.FLAC", "b": "talks/b.wav", "sub/c": "talks/sub/c.mp3", "sub/deep/d": "talks/sub/deep/d.wav",
    }  # fmt: skip
    assert said == ["talks: 4 recordings; left out 2 .txt, 2 hidden, 1 without ending"]
    for number, ending in enumerate(("pdf", "doc", "xls")):
        (talks / f"{number}.{ending}").touch()
    assert found("talks")[1][0].endswith("left out 2 .txt, 2 hidden, 1 .doc, 1 .pdf and 2 others")
    assert list(found("talks", beside=True)[0]) == [f"{talks}/{name}" for name in ("a", "b", "sub/c", "sub/deep/d")]


def test_files_behind_links_are_recordings(talks: Path) -> None:
    (talks / "linked").mkdir()
    (talks / "linked" / "l.wav").symlink_to(talks / "b.wav")
    assert found("talks/linked")[0] == {"l": "talks/linked/l.wav"}


def test_patterns_are_expanded_and_keep_the_tree_below_them(talks: Path) -> None:
    assert found("talks/*.wav")[0] == {"b": "talks/b.wav"}
    assert found("talks/.*.wav")[0] == {".f": "talks/.f.wav"}
    assert found("talks/**/*.wav")[0] == {"b": "talks/b.wav", "sub/deep/d": "talks/sub/deep/d.wav"}
    assert found("talks/*/c.mp3")[0] == {"sub/c": "talks/sub/c.mp3"}
    assert found("tal[kx]s")[0]["talks/sub/deep/d"] == "talks/sub/deep/d.wav"
    assert found(str(talks / "?.wav"))[0] == {"b": "talks/b.wav"}


def test_a_name_that_looks_like_a_pattern_or_a_list_is_a_name_where_it_exists(talks: Path) -> None:
    for name in ("what [1].wav", "@home.wav", "a\\b::c.wav"):
        Path(name).touch()
        assert found(name)[0] == {Path(name).stem: name}


def test_lists_hold_an_input_a_line(talks: Path) -> None:
    Path("list.txt").write_text("\ufefftalks/b.wav\r\n\n  talks/sub  \n@odd.wav\ntalks/a.*\n", encoding="utf-8")
    assert found("@list.txt")[0] == {
        "b": "talks/b.wav", "c": "talks/sub/c.mp3", "deep/d": "talks/sub/deep/d.wav", "@odd": "@odd.wav",
        "a": "talks/a.FLAC",
    }  # fmt: skip


def test_each_recording_comes_once_where_it_is_named_first(talks: Path) -> None:
    assert found("talks/sub/deep/d.wav", "talks/sub/../sub", "missing.wav")[0] == {
        "c": "talks/sub/c.mp3", "d": "talks/sub/deep/d.wav", "missing": "missing.wav",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("nothing/*.wav", "nothing matches nothing/*.wav; "),
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


@pytest.mark.parametrize("beside", [False, True])
def test_the_endings_of_two_of_one_name_go_into_both_names(talks: Path, beside: bool) -> None:
    (talks / "b.mp3").touch()
    ids = {Path(place).name: Path(row_id).name for row_id, place in found("talks", beside=beside)[0].items()}
    assert ids == {"a.FLAC": "a", "b.mp3": "b_mp3", "b.wav": "b_wav", "c.mp3": "c", "d.wav": "d"}


def test_a_list_may_have_comments(talks: Path) -> None:
    Path("list.txt").write_text("# the first day\ntalks/a.wav\n\n  # talks/b.wav\n")
    assert found("@list.txt")[0] == {"a": "talks/a.wav"}


def test_tables_name_a_recording_as_it_was_given_or_from_a_root_on(talks: Path) -> None:
    def names(entry: str, root: str = "") -> list[str]:
        rows = read_rows([entry], lambda line: None)
        return sorted(row.file for row in (seen_from(rows, root) if root else rows))

    assert names("talks/sub") == ["talks/sub/c.mp3", "talks/sub/deep/d.wav"]
    assert names("./talks/*.wav") == ["talks/b.wav"]
    assert names(str(talks / "b.wav")) == [str(talks / "b.wav")]
    assert names("talks", "talks/../talks") == ["a.FLAC", "b.wav", "sub/c.mp3", "sub/deep/d.wav"]
    Path("list.csv").write_text("path\nmemory://lab/talks/m.wav\n")
    assert names("list.csv") == ["memory://lab/talks/m.wav"]
    assert names("list.csv", "memory://lab/") == ["talks/m.wav"]
    for root in ("talks/sub", "memory://lab"):
        with pytest.raises(RequestError, match=f"is not below --root {root}; name a folder"):
            names("talks", root)


def test_without_out_a_recording_at_a_url_has_no_place(talks: Path) -> None:
    Path("list.csv").write_text("path\nmemory://m.wav\n")
    with pytest.raises(RequestError, match=r"m\.wav is at a URL; say by --out where its results go"):
        found("list.csv", beside=True)
