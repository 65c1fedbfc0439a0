"""`novaspeech run --table`: all recordings in one table, from one command."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from novaspeech.command.main import main
from tests.novaspeech.corpus.conftest import Run

FILES = ["talks/a.wav", "talks/b.flac", "talks/e.wav", "talks/sub/c.m4a", "talks/sub/d ü.wav"]
SCORES = ["--output", "arousal", "--output", "valence"]


@pytest.fixture
def whole(talks: Path) -> Path:
    """The folder without the recording that is cut."""
    (talks / "cut.flac").unlink()
    return talks


def read(file: str) -> pd.DataFrame:
    return pd.read_parquet(file) if file.endswith(".parquet") else pd.read_csv(file)


@pytest.mark.parametrize("file", ["scores.csv", "new folder/scores.parquet"])
def test_a_folder_is_one_table(run: Run, whole: Path, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--table", file, *SCORES, out=None) == 0
    table = read(file)
    assert list(table.columns) == ["file", "start", "end", "arousal", "valence"]
    assert table["file"].drop_duplicates().tolist() == FILES
    seconds = table.groupby("file")["end"].max()
    assert seconds["talks/b.flac"] == 3
    assert len(table) == sum(np.floor(seconds / 0.04))
    assert sorted(path.name for path in whole.rglob("*") if path.is_file()) == sorted(Path(one).name for one in FILES)
    before = Path(file).read_bytes()
    capsys.readouterr()
    assert run("--table", file, *SCORES, out=None) == 0
    assert "5 of them ended before" in capsys.readouterr().err
    assert Path(file).read_bytes() == before


def test_the_table_has_what_the_files_have(run: Run, whole: Path) -> None:
    """Also with the files of each recording in --out."""
    assert run("--table", "all.csv", "--format", "npz", "--root", "talks", *SCORES) == 0
    table = read("all.csv")
    assert table["file"].drop_duplicates().tolist() == [one.removeprefix("talks/") for one in FILES]
    for name in ("a", "sub/d ü"):
        arrays = np.load(f"out/{name}.emow2v.arousal.npz")
        rows = table[table["file"] == f"{name}.wav"]
        np.testing.assert_allclose(rows["arousal"], arrays["values"], rtol=1e-6)
        np.testing.assert_allclose(rows[["start", "end"]], arrays["times"])


def test_a_summary_has_a_row_for_each_recording_or_segment(run: Run, whole: Path) -> None:
    assert (
        run("--table", "mean.csv", "--summary", "mean,p90", "--output", "arousal", "--output", "embedding", out=None)
        == 0
    )
    table = read("mean.csv")
    assert table["file"].tolist() == FILES
    assert list(table.columns[3:8]) == ["windows", "silent", "arousal_mean", "arousal_p90", "embedding-0_mean"]
    assert table["end"].tolist() == [2, 3, 1, pytest.approx(2, abs=0.1), 1.5]
    turns = "file,start,end,label\na.wav,0,1,x\na.wav,1,2,y\nsub/d ü.wav,0,1.5,z\n"
    Path("turns.csv").write_text(turns, encoding="utf-8")
    inputs = ("talks/a.wav", "talks/sub")
    Path("talks/sub/c.m4a").unlink()
    more = ("--summary", "mean", "--segments", "turns.csv", "--output", "arousal")
    assert run("--table", "turns.parquet", *more, inputs=inputs, out=None) == 0
    table = read("turns.parquet")
    assert table["label"].tolist() == ["x", "y", "z"]
    assert table["windows"].tolist() == [25, 25, 37]
    Path("turns").mkdir()
    for name, rows in (("a", ""), ("d ü", "0,1,x\n")):  # nobody speaks in the first
        Path("turns", f"{name}.csv").write_text(f"start,end,label\n{rows}")
    assert run("--table", "few.csv", "--summary", "mean", "--segments", "turns", inputs=inputs, out=None) == 0
    assert read("few.csv")["file"].tolist() == ["talks/sub/d ü.wav"]
    corrected = turns.replace("0,1,x", "0,1.2,x")
    Path("turns.csv").write_text(corrected, encoding="utf-8")
    assert run("--table", "turns.parquet", *more, inputs=inputs, out=None) == 0
    assert read("turns.parquet")["windows"].tolist() == [30, 25, 37]


def test_failures_are_left_out_and_said(run: Run, talks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--table", "scores.csv", *SCORES, out=None) == 1
    assert "scores.csv: 5 of 6 recordings" in capsys.readouterr().err
    assert read("scores.csv")["file"].nunique() == 5
    (talks / "turns").mkdir()
    shutil.copy(talks / "a.wav", talks / "turns" / "a.wav")
    (talks / "turns" / "a.csv").write_text("start,end\n0,1\n")
    more = ("--summary", "mean", "--segments", "talks/turns", *SCORES)
    assert run("--table", "turns.csv", *more, inputs=("talks/a.wav", "talks/e.wav"), out=None) == 1
    assert "talks/turns has no e.TextGrid, .eaf or .csv; it must have one file" in capsys.readouterr().err
    assert read("turns.csv")["file"].tolist() == ["talks/a.wav"]


def test_what_is_there_becomes_the_same_table(
    run: Run, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`novaspeech table` reads any format, and knows from the records which windows are silent."""
    outputs = ("--output", "arousal", "--output", "embedding")
    Path("turns.csv").write_text(
        "file,start,end,label\n" + "".join(f"{one},0.2,0.9,x\n" for one in FILES), encoding="utf-8"
    )
    for name, more in (("all", ["--summary", "mean,std"]), ("turns", ["--summary", "mean", "--segments", "turns.csv"])):
        assert run("--table", f"{name}.parquet", *outputs, *more, out=None) == 0
        for form, close in (("npz", {"rtol": 1e-4, "atol": 1e-6}), ("ssi", {"atol": 0.006})):  # which has two decimals
            assert run("--format", form, *outputs, out=form) == 0
            assert main(["table", form, "--out", f"{form}.{name}.parquet", *outputs, *more]) == 0
            made, expected = read(f"{form}.{name}.parquet"), read(f"{name}.parquet")
            pd.testing.assert_frame_equal(made, expected, check_exact=False, **close)
    assert run("--table", "scores.csv", "--output", "arousal", out=None) == 0
    assert main(["table", "npz", "--out", "npz.csv"]) == 0
    assert Path("npz.csv").read_bytes() == Path("scores.csv").read_bytes()
    capsys.readouterr()
    for more, message in (
        (["--out", "npz.csv"], "npz.csv is there already; --overwrite replaces it"),
        (["--out", "new.csv", "--output", "valence"], "the results have no output valence"),
        (
            ["--out", "new.csv", "--output", "arousal", "--output", "embedding"],
            "a table holds continuous annotations, or",
        ),
        (["--out", "new.csv", "--segments", "turns.csv"], "--segments is for statistics"),
    ):
        assert main(["table", "npz", *more]) == 1
        assert message in capsys.readouterr().err
    assert not Path("new.csv").exists()


def test_a_table_that_is_there_stays(run: Run, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.csv").write_text("mine")
    arguments = ("--table", "mine.csv", *SCORES)
    assert run(*arguments, inputs=["talks/a.wav"], out=None) == 1
    assert "mine.csv is there, and not made by this command; --overwrite" in capsys.readouterr().err
    assert run(*arguments, "--overwrite", inputs=["talks/a.wav"], out=None) == 0
    assert run(*arguments, "--summary", "mean", inputs=["talks/a.wav"], out=None) == 1
    assert run(*arguments, "--set", "where=sound", inputs=["talks/a.wav"], out=None) == 1
    assert "was made in another way, which differs in options.where" in capsys.readouterr().err
    assert list(read("mine.csv").columns) == ["file", "start", "end", "arousal", "valence"]


def test_what_cannot_be_is_said_before_the_model_is_loaded(
    run: Run, talks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, message in (
        (["--table", "a.xlsx"], "the table a.xlsx must end in .csv or .parquet"),
        (["--table", "a.csv", "--summary", "middle"], "there is no statistic 'middle'"),
        (["--table", "a.csv", "--segments", "turns"], "--segments is for statistics of each segment"),
        (["--table", "a.csv", "--summary", "mean", "--segments", "turns"], "turns does not exist"),
        (["--summary", "mean"], "--summary and --segments are for a table"),
        (["--table", "a.csv", "--format", "npz"], "--table writes no other files without --out"),
        (["--table", "a.csv", "--shard", "1/2"], "--table has all recordings in it"),
        (
            ["--table", "a.csv", "--output", "arousal", "--output", "embedding"],
            "a table holds continuous annotations, or",
        ),
        (["--root", "talks/sub"], "is not below --root talks/sub"),
    ):
        assert run(*more, "--set", "model=nowhere", out=None) == 1
        said = capsys.readouterr().err
        assert message in said
        assert "nowhere" not in said
    assert not list(talks.parent.glob("*.csv"))


def test_the_file_column_is_the_recording_as_given(run: Run, talks: Path) -> None:
    rows = [{"audio_filepath": "talks/a.wav", "offset": 1, "duration": 0.4}, {"audio_filepath": str(talks / "e.wav")}]
    Path("m.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert run("--table", "m.csv", *SCORES, inputs=["m.jsonl"], out=None) == 0
    table = read("m.csv")
    assert table["file"].drop_duplicates().tolist() == [str(talks / "e.wav"), "talks/a.wav"]
    assert table.loc[table["file"] == "talks/a.wav", ["start", "end"]].agg(["min", "max"]).to_numpy().tolist() == [
        [1.0, 1.04], [1.36, 1.4],
    ]  # fmt: skip


def test_r_reads_the_table(run: Run, whole: Path) -> None:
    """R takes times and scores as numbers, an empty cell as NA."""
    if shutil.which("Rscript") is None:
        pytest.skip("R is not here (Debian's r-base-core)")
    assert run("--table", "scores.csv", "--set", "where=sound", *SCORES, out=None) == 0
    script = (
        'd <- read.csv("scores.csv"); stopifnot(is.numeric(d$start), is.numeric(d$arousal));'
        "cat(nrow(d), sum(is.na(d$arousal)), mean(d$arousal, na.rm=TRUE), max(d$end))"
    )
    found = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True).stdout.split()
    table = read("scores.csv")
    expected = [len(table), table["arousal"].isna().sum(), table["arousal"].mean(), table["end"].max()]
    np.testing.assert_allclose([float(one) for one in found], expected, rtol=1e-5)
