"""Statistics of outputs, beside those that pandas computes of the windows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import novaspeech
from tests.conftest import SPEECH

STATISTICS = ("mean", "std", "min", "max", "p10", "p90")


@pytest.fixture(scope="module")
def emotions(models: dict[str, Path]) -> novaspeech.Model:
    return novaspeech.load("emow2v", model=str(models["emow2v"]), device="cpu", stride="40ms")


@pytest.fixture(scope="module")
def result(emotions: novaspeech.Model) -> novaspeech.Result:
    return emotions(SPEECH, ["arousal", "valence", "embedding"])


def test_a_recording_has_the_statistics_of_its_windows(result: novaspeech.Result) -> None:
    row = result.summary(STATISTICS, ["arousal", "valence"]).iloc[0]
    windows = result.to_frame(unit="s")
    assert list(row.index[:5]) == ["file", "start", "end", "windows", "silent"]
    assert list(row.index[5:]) == [f"{name}_{one}" for name in ("arousal", "valence") for one in STATISTICS]
    assert (row["file"], row["start"], row["end"], row["windows"]) == (str(SPEECH), 0, 14.018, len(windows))
    assert row["silent"] == pytest.approx(result.silent.mean())
    for name in ("arousal", "valence"):
        column = windows[name].astype(float)
        shares = column.quantile([0.1, 0.9])
        expected = [column.mean(), column.std(), column.min(), column.max(), *shares]
        np.testing.assert_allclose(row[[f"{name}_{one}" for one in STATISTICS]].astype(float), expected, rtol=1e-5)


def test_segments_have_the_windows_whose_middles_are_in_them(result: novaspeech.Result, tmp_path: Path) -> None:
    turns = tmp_path / "turns.csv"
    turns.write_text(
        "start,end,label,speaker\n0,2,hello,anna\n2,14.018,and so on,ben\n3.001,3.005,short,anna\n20,21,late,\n"
    )
    table = result.summary(("mean", "std"), "arousal", turns)
    assert list(table.columns[:8]) == ["file", "start", "end", "tier", "speaker", "label", "windows", "silent"]
    assert table["label"].tolist() == ["hello", "and so on", "short", "late"]
    assert table["speaker"].tolist() == ["anna", "ben", "anna", ""]
    assert table["windows"].tolist() == [50, 300, 1, 0]
    windows = result.to_frame("arousal", unit="s")["arousal"].astype(float)
    expected = [windows[:50].mean(), windows[50:].mean(), windows[75], np.nan]
    np.testing.assert_allclose(table["arousal_mean"], expected, rtol=1e-5)
    assert table["arousal_std"].isna().tolist() == [False, False, True, True]


def test_vectors_count_where_there_is_sound(
    emotions: novaspeech.Model, result: novaspeech.Result, speech: Callable[..., Path]
) -> None:
    row = result.summary(name="embedding").iloc[0]
    assert 0 < result.silent.sum() < len(result.silent)
    expected = result["embedding"][result.usable & ~result.silent].astype(float).mean(axis=0)
    np.testing.assert_allclose(row.iloc[5:].astype(float), expected, rtol=1e-4, atol=1e-6)
    assert row.index[5] == "embedding-0_mean"
    nothing = emotions((np.zeros(16000, np.float32), 16000), ["embedding"])
    row = nothing.summary().iloc[0]
    assert row["silent"] == 1
    np.testing.assert_allclose(row.iloc[5:].astype(float), nothing["embedding"].mean(axis=0), rtol=1e-4, atol=1e-6)


def test_gaps_do_not_count(emotions: novaspeech.Model) -> None:
    samples = np.sin(np.arange(32000) / 20).astype(np.float32)
    samples[16000:] = np.nan
    result = emotions((samples, 16000), ["arousal"])
    row = result.summary(("mean", "max")).iloc[0]
    assert row["windows"] == result.usable.sum() < len(result.usable)
    assert row["arousal_mean"] == pytest.approx(np.nanmean(result["arousal"]), rel=1e-5)


def test_what_is_of_the_recording_as_a_whole_stays_as_it_is(models: dict[str, Path], tmp_path: Path) -> None:
    voice = novaspeech.load("wav2vec2_sv", model=str(models["wav2vec2_sv"]), device="cpu")
    result = voice(novaspeech.Part(SPEECH, 0, 2), ["speaker"])
    row = result.summary(("mean", "std")).iloc[0]
    assert row.index[5] == "speaker-0"
    np.testing.assert_array_equal(row.iloc[5:].astype(np.float32), result["speaker"])
    (tmp_path / "turns.csv").write_text("start,end\n0,1\n")
    with pytest.raises(novaspeech.RequestError, match="speaker is of the recording as a whole"):
        result.summary(segments=tmp_path / "turns.csv")


def test_results_of_many_recordings_are_one_table(
    emotions: novaspeech.Model, speech: Callable[..., Path], tmp_path: Path
) -> None:
    files = [speech("a.wav", seconds=1), speech("b.wav", seconds=2)]
    results = emotions(files, ["arousal", "valence"])
    table = novaspeech.table(results)
    assert list(table.columns) == ["file", "start", "end", "arousal", "valence"]
    assert table["file"].value_counts().to_dict() == {str(files[0]): 25, str(files[1]): 50}
    (tmp_path / "turns").mkdir()
    for name in "ab":
        (tmp_path / "turns" / f"{name}.csv").write_text("start,end,label\n0,0.5,x\n0.5,1,y\n")
    turns = novaspeech.table(results, "arousal", summary=["mean"], segments=tmp_path / "turns")
    assert turns["label"].tolist() == ["x", "y"] * 2
    failed = emotions([files[0], "nowhere.wav"])
    with pytest.raises(novaspeech.RecordingError, match="nowhere"):
        novaspeech.table(failed)


def test_what_cannot_be(result: novaspeech.Result) -> None:
    for statistics, name, message in (
        (["median"], None, "no statistic 'median'; there are: mean, std, min, max, and p10, p50"),
        (["p101"], None, "no statistic 'p101'"),
    ):
        with pytest.raises(novaspeech.RequestError, match=message):
            result.summary(statistics, name)
    with pytest.raises(KeyError, match="'tension' was not asked for"):
        result.summary(name="tension")
    with pytest.raises(novaspeech.RequestError, match="segments are for a summary"):
        novaspeech.table([result], segments="turns")
    with pytest.raises(novaspeech.RequestError, match="at least"):
        novaspeech.table([])
