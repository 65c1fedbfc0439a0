"""CSV files of both kinds: with seconds, and those that pandas writes of audformat's tables. They need no pandas."""

import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from novaspeech.formats.tables import table, write_audformat, write_csv
from novaspeech.formats.track import Track, Tracks

FILE = 'a "b", ü.wav'
TIMES = (
    [[0, 1], [1, 2]],
    [[0, 0.04], [0.04, 0.08]],
    [[0, 90000.5]],
    [[0, 86400]],
    [[86400, 172800], [1e6, 1e6 + 0.001]],
    np.zeros((0, 2)),
)


def tracks(times: list[list[float]]) -> list[Track]:
    generator, count = np.random.default_rng(0), len(times)
    values = (generator.normal(size=(count, 5)) * 10.0 ** generator.uniform(-9, 9, (count, 5))).astype(np.float32)
    values[:1, :3] = np.nan, np.inf, 0
    where = np.array(times, float)
    names = ("money", 'one, "two"')[:count]
    return [
        Track("arousal", "scores", where, values[:, 0]),
        Track("embeddings", "vectors", where, values),
        Track("words", "segments", where, values[:, 3], names=names),
    ]


@pytest.mark.parametrize("times", TIMES)
def test_the_bytes_are_those_of_pandas(times: list[list[float]], tmp_path: Path) -> None:
    for track in tracks(times):
        expected = io.StringIO()
        table([track], FILE).to_csv(expected, lineterminator="\n")
        write_audformat(Tracks(FILE, None, 1.0, (track,)), [track], tmp_path / "a.csv")
        assert (tmp_path / "a.csv").read_bytes() == expected.getvalue().encode()


def test_pandas_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    track = tracks([[0, 0.04], [0.04, 0.08]])[2]
    write_csv(Tracks("a.wav", None, 1.0, (track,)), [track], tmp_path / "a.csv")
    assert len((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.parametrize("times", TIMES)
def test_times_are_seconds_in_decimals(times: list[list[float]], tmp_path: Path) -> None:
    for track in tracks(times):
        write_csv(Tracks(FILE, None, 1.0, (track,)), [track], tmp_path / "a.csv")
        found = pd.read_csv(tmp_path / "a.csv", dtype={"label": str})
        expected = table([track], FILE, "s").astype({"file": found["file"].dtype})
        assert found.columns.tolist() == expected.columns.tolist()
        assert found[["start", "end"]].to_numpy().tolist() == np.array(times, float).reshape(-1, 2).round(3).tolist()
        for column in expected.columns[3:]:
            if column != "label":
                assert found[column].astype("float32").tolist() == pytest.approx(expected[column].tolist(), nan_ok=True)


def test_scores_at_other_times_stand_in_rows_of_their_own(tmp_path: Path) -> None:
    fast = Track("arousal", "scores", np.array([[0, 0.5], [0.5, 1]]), np.array([1, 2], np.float32))
    slow = Track("valence", "scores", np.array([[0, 1.0]]), np.array([3], np.float32))
    write_csv(Tracks("a.wav", None, 1.0, (fast, slow)), [fast, slow], tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "file,start,end,arousal,valence", "a.wav,0.000,0.500,1.0,", "a.wav,0.000,1.000,,3.0", "a.wav,0.500,1.000,2.0,",
    ]  # fmt: skip
