"""`novaspeech run --format` and `novaspeech convert`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import parselmouth
import pytest
from discover_utils.data.annotation import (
    ContinuousAnnotation,
    ContinuousAnnotationScheme,
    DiscreteAnnotation,
    DiscreteAnnotationScheme,
    FreeAnnotation,
    FreeAnnotationScheme,
)
from discover_utils.data.handler.file_handler import FileHandler
from discover_utils.data.stream import SSIStream

from novaspeech.command.main import main
from novaspeech.formats.read import read_tracks
from novaspeech.formats.track import Track

Speech = Callable[..., Path]
SPOKEN = [(0, 120, "HELLO", 0.5), (120, 3_725_670, "THERE", 1.0)]


@pytest.fixture
def emotion(small_emow2v: Path) -> str:
    return f"model={small_emow2v}"


def test_run_writes_the_formats_asked_for(
    emotion: str, speech: Speech, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio, out = speech("talk.wav"), tmp_path / "out"
    run = ["run", "emow2v", str(audio), "--set", emotion, "--out", str(out)]
    assert main([*run, "--output", "arousal", "--format", "csv", "--format", "eaf", "--format", "ssi"]) == 0
    assert sorted(file.name for file in out.iterdir()) == [
        ".talk.emow2v.json", "talk.eaf", "talk.emow2v.arousal.annotation", "talk.emow2v.arousal.annotation~",
        "talk.emow2v.scores.csv", "talk_tsconf.xml",
    ]  # fmt: skip
    scores = pandas.read_csv(out / "talk.emow2v.scores.csv")
    assert scores["start"].tolist() == [round(0.04 * number, 3) for number in range(50)]
    rounded = FileHandler().load(out / "talk.emow2v.arousal.annotation").data["score"]
    assert np.abs(scores["arousal"] - rounded).max() <= 0.00501
    assert len({f"{score:.4f}" for score in scores["arousal"]}) > len({f"{score:.4f}" for score in rounded})
    capsys.readouterr()
    assert main([*run, "--output", "arousal", "--output", "embedding", "--format", "textgrid"]) == 0
    assert "the format textgrid leaves out embedding; parquet, npz and ssi hold all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "said"),
    [("vtt", "the format vtt holds segments; of the outputs none is: arousal"), ("doc", "there is no format 'doc'; ")],
)
def test_a_format_that_cannot_be_is_said_before_the_work(
    emotion: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, said: str
) -> None:
    missing = tmp_path / "missing.wav"
    run = ["run", "emow2v", str(missing), "--set", emotion, "--output", "arousal", "--format", form]
    assert main([*run, "--out", str(tmp_path / "out")]) == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("novaspeech: ")]
    assert line.startswith(f"novaspeech: {said}")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with what a server writes."""
    free = FreeAnnotationScheme(name="words")
    save(FreeAnnotation(scheme=free, data=np.array(SPOKEN[:1], free.label_dtype)), tmp_path / "a.one.annotation")
    save(FreeAnnotation(scheme=free, data=np.array(SPOKEN, free.label_dtype)), tmp_path / "a.words.annotation")
    save(FreeAnnotation(scheme=free, data=np.zeros(0, free.label_dtype)), tmp_path / "b.words.annotation")
    classes = DiscreteAnnotationScheme(name="places", classes={"0": {"name": "money"}, "1": {"name": "time"}})
    places = np.array([(500, 750, 1, 0.25), (800, 900, 0, 0.75)], classes.label_dtype)
    save(DiscreteAnnotation(scheme=classes, data=places), tmp_path / "a.keywords.annotation")
    continuous = ContinuousAnnotationScheme(name="valence", sample_rate=1000 / 300, min_val=-1, max_val=1)
    scores = np.zeros(10, continuous.label_dtype)
    scores["score"], scores["conf"] = [np.nan, *np.arange(9) / 10], 1
    save(ContinuousAnnotation(scheme=continuous, data=scores), tmp_path / "valence.annotation")
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    save(SSIStream(data=values, sample_rate=25, sample_shape=(3,)), tmp_path / "a.embeddings.stream")
    return tmp_path


def save(data: object, file: Path) -> None:
    FileHandler().save(data, file)


def track(written: Path, name: str, file: str) -> Track:
    [found] = read_tracks(name, None, [written / file]).tracks
    return found


def test_what_servers_write_is_read(written: Path) -> None:
    words = track(written, "a", "a.words.annotation")
    assert (words.id, words.kind) == ("words", "segments")
    assert [(one.start_ms, one.end_ms, one.name, one.confidence) for one in words.segments] == SPOKEN
    assert track(written, "a", "a.one.annotation").names == ("HELLO",)
    assert track(written, "b", "b.words.annotation").segments == []
    keywords = track(written, "a", "a.keywords.annotation")
    assert [(*map(int, 1000 * times), name) for times, name in zip(keywords.times, keywords.names, strict=True)] == [
        (500, 750, "time"), (800, 900, "money"),
    ]  # fmt: skip
    valence = track(written, "valence", "valence.annotation")
    assert (valence.id, valence.kind, valence.low, valence.high) == ("valence", "scores", -1, 1)
    np.testing.assert_allclose(valence.values, [np.nan, *np.arange(9) / 10], atol=1e-6)
    np.testing.assert_allclose(valence.times[:, 0], np.arange(10) * 0.3, rtol=0, atol=1e-9)  # 3.333 Hz in the file
    embeddings = track(written, "a", "a.embeddings.stream")
    assert (embeddings.kind, embeddings.values.tolist()) == ("vectors", np.arange(12).reshape(4, 3).tolist())
    assert embeddings.times.tolist() == [[0, 0.04], [0.04, 0.08], [0.08, 0.12], [0.12, 0.16]]


def test_convert_puts_the_outputs_of_a_recording_together(
    written: Path, speech: Speech, capsys: pytest.CaptureFixture[str]
) -> None:
    speech("a.wav", seconds=3)
    files = [written / f"a.{name}.annotation" for name in ("words", "keywords")]
    assert main(["convert", *map(str, files), "--to", "textgrid", "--to", "csv"]) == 0
    made = capsys.readouterr().out.splitlines()
    assert made == [str(written / name) for name in ("a.TextGrid", "a.words.csv", "a.keywords.csv")]
    grid = parselmouth.read(made[0])
    ask = parselmouth.praat.call
    assert [ask(grid, "Get tier name", number) for number in (1, 2)] == ["words", "keywords"]
    assert ask(grid, "Get label of interval", 2, 2) == "time"
    assert ask(grid, "Get start time of interval", 2, 2) == 0.5
    assert set(pandas.read_csv(made[1])["file"]) == {str(written / "a.wav")}
    assert main(["convert", str(files[0]), "--to", "csv"]) == 1
    assert capsys.readouterr().err == f"novaspeech: {made[1]} is there already; --overwrite replaces it\n"
    assert main(["convert", str(files[0]), "--to", "csv", "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.words.annotation", "--to", "ssi"], "a.words.annotation is there already; --overwrite replaces it"),
        (["a.words.annotation", "--to", "docx"], "there is no format 'docx'; there are: ssi, csv, "),
        (["a.embeddings.stream", "--to", "srt"], "the format srt holds segments; of the outputs none is: embeddings"),
        (["notes.txt", "--to", "csv"], "notes.txt is no file of results (.parquet, "),
        (["c.words.annotation", "--to", "csv"], "c.words.annotation does not exist"),
        (["a.words.annotation", "b.words.annotation", "--to", "csv", "--audio", "a.wav"], "these are files of 2 recor"),
        (["a.words.annotation", "--to", "csv", "--audio", "no.wav"], "no.wav does not exist; give the path of an aud"),
        (["spoilt.annotation", "--to", "csv"], "spoilt.annotation cannot be read (ParseError: "),
    ],
)
def test_what_cannot_be_converted_gets_one_line(
    written: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(written)
    Path("spoilt.annotation").write_text("<annotation")
    Path("notes.txt").touch()
    before = sorted(written.iterdir())
    assert main(["convert", *arguments]) == 1
    assert capsys.readouterr().err.startswith(f"novaspeech: {said}")
    assert sorted(written.iterdir()) == before


def test_of_a_folder_what_fits_is_converted_and_the_rest_is_said(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.one", "a.words", "a.keywords", "b.words"):
        for end in ("", "~"):
            (written / "deep").mkdir(exist_ok=True)
            (written / f"{name}.annotation{end}").rename(written / "deep" / f"{name}.annotation{end}")
    assert main(["convert", str(written), "--to", "srt"]) == 0
    said = capsys.readouterr()
    made = ("a.keywords.srt", "a.one.srt", "a.words.srt", "b.words.srt")
    assert sorted(said.out.split()) == [str(written / "deep" / name) for name in made]
    assert [line.split(": ")[1] for line in said.err.splitlines()] == [str(written / "a"), str(written / "valence")]
    assert main(["convert", str(written), "--to", "csv", "--out", str(written / "out")]) == 1
    assert "a is there in several folders, and --out is for all; convert them apart" in capsys.readouterr().err


def test_two_files_of_one_output_are_refused(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(SSIStream(data=np.ones((4, 3), np.float32), sample_rate=25, sample_shape=(3,)), written / "a.words.stream")
    files = [str(written / f"a.words.{kind}") for kind in ("annotation", "stream")]
    assert main(["convert", *files, "--to", "npz"]) == 1
    assert "a.words.stream would both be a.words.*; rename one" in capsys.readouterr().err
