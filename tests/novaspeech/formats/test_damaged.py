"""Damaged results: one line says what, where, and what would be right."""

from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from novaspeech.errors import RequestError
from novaspeech.formats.files import FORMATS, SSI, file_names
from novaspeech.formats.places import files_for, save_tracks
from novaspeech.formats.read import found_outputs, read_tracks
from novaspeech.formats.track import Kept, Tracks

RECORD = {
    "from": {"milliseconds": {"stride": 40, "frame": 40}, "recording": {}},
    "shapes": {"arousal": [25], "valence": [25], "embeddings": [25, 3]},
    "seconds": 1.0,
}  # fmt: skip
HEAD = "file,start,end,arousal\n"


def said(file: Path, record: object = None) -> str:
    [((_, name), (_, files))] = found_outputs([file]).items()
    with pytest.raises(RequestError) as raised:
        read_tracks(name, None, files, {"": RECORD if record is None else record})  # type: ignore[dict-item]
    message = str(raised.value)
    assert message.startswith(str(file))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in (SSI, "srt", "vtt")])
@pytest.mark.parametrize("kept", [0, 0.4, 0.9])
def test_a_file_that_was_cut(tracks: Tracks, tmp_path: Path, form: str, kept: float) -> None:
    save_tracks(tracks, form, tmp_path)
    for file in (tmp_path / name for name in file_names(tracks.name, tracks.kept, form) if not name.endswith(".xml")):
        content = file.read_bytes()
        if kept and file.name.endswith((".nothing.csv", ".nothing.audformat.csv")):
            continue  # a piece of its only row
        cut = content[: int(kept * len(content))]
        if file.suffix == ".csv":
            cut = cut.rpartition(b",")[0]  # within a row
        file.write_bytes(cut)
        assert any(words in said(file) for words in ("cannot be read as", "is no table of results: its columns are"))


@pytest.mark.parametrize("form", [form for form in FORMATS if form != SSI])
def test_a_file_of_something_else(tracks: Tracks, tmp_path: Path, form: str) -> None:
    for name in (one for one in file_names(tracks.name, tracks.kept, form) if not one.endswith(".xml")):
        (tmp_path / name).write_text("my notes\n")
        assert any(
            words in said(tmp_path / name) for words in ("cannot be read as", "its columns are my notes, and must")
        )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "file,start,arousal\na.wav,0,1\n",
            "is no table of results: its columns are file, start, arousal, and must be",
        ),
        (f"{HEAD}a.wav,0,1,0.5\na.wav,1,2,high\n", "cannot be read as a table (row 3, arousal: 'high' is no number); "),
        (f"{HEAD}a.wav,soon,1,0.5\n", "(row 2, start: 'soon' is no time; seconds are needed)"),
        (f"{HEAD}a.wav,0,,0.5\n", "(row 2, end: a time is missing; seconds are needed)"),
        (f"{HEAD}a.wav,0,1\n", "(row 2 has 3 cells, and the first row 4)"),
        (f"{HEAD}a.wav,0,1,0.5\nb.wav,0,1,0.5\n", "is a table of 2 recordings; the results of one are needed"),
    ],
)
def test_cells_that_are_wrong(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "a.scores.csv").write_text(content)
    assert expected in said(tmp_path / "a.scores.csv")


def test_text_in_a_column_of_numbers(tmp_path: Path) -> None:
    columns = {"file": ["a.wav"], "start": [0.0], "end": [1.0], "arousal": ["high"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.scores.parquet")
    assert "cannot be read as a table (could not convert string to float: 'high')" in said(
        tmp_path / "a.scores.parquet"
    )


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.x.npz", times=np.zeros((3, 2)), values=np.zeros(4))
    assert "times are (3, 2) for 4 values" in said(tmp_path / "a.x.npz")
    np.save(tmp_path / "a.arousal.npy", np.zeros(24))
    assert "is (24,), and the record beside it tells of (25,); run it again" in said(tmp_path / "a.arousal.npy")


@pytest.mark.parametrize("record", [{}, {"shapes": []}, {"shapes": {"arousal": [25]}, "from": "somewhere"}])
def test_an_npy_without_its_record(tmp_path: Path, record: object) -> None:
    np.save(tmp_path / "a.arousal.npy", np.zeros(25))
    message = said(tmp_path / "a.arousal.npy", record)
    assert "has no times, and no record of a run beside it tells them" in message
    assert message.endswith("keep `.NAME.MODULE.json` beside it, or ask run for another format")


def test_a_tier_that_no_file_can_be_called_by(tmp_path: Path) -> None:
    with pytest.raises(
        RequestError, match=r"the name '\.\./words' cannot stand in that of a file; rename it, or take "
    ):
        files_for("a", [Kept("../words", "segments")], tmp_path, ["csv"])
