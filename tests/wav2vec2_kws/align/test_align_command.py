import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from novaspeech.command.main import main
from tests.conftest import SPELLER
from tests.wav2vec2_kws.conftest import say
from training.speech import Spoken

Write = Callable[..., Path]
Capture = pytest.CaptureFixture[str]
SAID = ["doctor", "money", "river", "summer", "letter"]


@pytest.fixture
def talk(mono: Write) -> tuple[Path, list[Spoken]]:
    samples, spoken = say(SAID)
    return mono("talk.wav", samples), spoken


def align(*words: object) -> int:
    return main(["align", *map(str, words), "--model", str(SPELLER)])


def check(rows: list[list[str]], words: list[str], spoken: list[Spoken]) -> None:
    assert rows[0] == ["file", "start", "end", "label", "confidence"]
    assert [row[3] for row in rows[1:]] == words
    for (_, start, end, _, confidence), word in zip(rows[1:], spoken, strict=True):
        assert float(start) == pytest.approx(word.start / 16000, abs=0.06)
        assert float(end) == pytest.approx(word.end / 16000, abs=0.06)
        assert 0 <= float(confidence) <= 1


def test_a_table(talk: tuple[Path, list[Spoken]], tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "talk.txt").write_text("Doctor: “Money, river – Summer\nletter.”")
    assert align(talk[0], tmp_path / "talk.txt") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len({len(line) for line in lines}) == 1
    check([line.split() for line in lines], ["Doctor:", "“Money,", "river", "Summer", "letter.”"], talk[1])


def test_csv_and_words_that_cannot_be_found(talk: tuple[Path, list[Spoken]], tmp_path: Path, capsys: Capture) -> None:
    subtitles = (
        "1\n00:00:00,000 --> 00:00:01,000\ndoctor, 1000\n\n2\n00:00:01,000 --> 00:00:03,000\nriver hospital letter\n"
    )
    (tmp_path / "talk.srt").write_text(subtitles)
    assert align(talk[0], tmp_path / "talk.srt", "--csv") == 0
    answer = capsys.readouterr()
    rows = list(csv.reader(io.StringIO(answer.out)))
    check(rows, ["doctor,", "1000", "river", "hospital", "letter"], talk[1])
    assert [row[4] for row in rows if row[3] in ("1000", "hospital")] == ["0.000", "0.000"]
    assert "1 of 5 words are not heard where the transcript has them, and have confidence 0: hospital (" in answer.err
    assert "1 of 5 words cannot be spelt by the model, and have confidence 0: 1000 (" in answer.err


def test_silence_and_nan(mono: Write, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "talk.txt").write_text("money river")
    for audio in (mono("silence.wav", np.zeros(32000)), mono("nan.wav", np.full(32000, np.nan))):
        assert align(audio, tmp_path / "talk.txt") == 0
        rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [row[3:] for row in rows[1:]] == [["money", "0.000"], ["river", "0.000"]]


@pytest.mark.parametrize(
    ("audio", "text", "sentence"),
    [
        ("talk.wav", "other.txt", "other.txt does not exist"),
        ("talk.wav", "empty.txt", "empty.txt has no words; it must hold what is said"),
        ("other.wav", "talk.txt", "other.wav does not exist"),
        ("short.wav", "talk.txt", "0.010 s of audio are shorter than one step of 40 ms"),
    ],
)
def test_what_cannot_be_aligned(
    talk: tuple[Path, list[Spoken]], mono: Write, tmp_path: Path, audio: str, text: str, sentence: str, capsys: Capture
) -> None:
    mono("short.wav", np.zeros(160))
    (tmp_path / "talk.txt").write_text("money")
    (tmp_path / "empty.txt").write_text("")
    assert align(talk[0].with_name(audio), tmp_path / text) == 1
    answer = capsys.readouterr()
    assert answer.out == ""
    assert sentence in answer.err.splitlines()[-1]


def test_a_folder_of_recordings_and_texts(
    talk: tuple[Path, list[Spoken]], mono: Write, tmp_path: Path, capsys: Capture
) -> None:
    """Each recording has the text with its name, beside it or in a folder; a text that changes is aligned anew."""
    folder = tmp_path / "talks"
    (folder / "sub").mkdir(parents=True)
    talk[0].rename(folder / "a.wav")
    for name, words in (("sub/b", ["river", "money"]), ("c", ["money"])):
        mono(f"{Path(name).name}.wav", say(words)[0]).rename(folder / f"{name}.wav")
    (folder / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nMoney\n")
    (folder / "a.txt").write_text(" ".join(SAID))
    (folder / "sub" / "b.txt").write_text("river money")
    more = ("--out", tmp_path / "out", "--format", "eaf", "--format", "csv", "--csv", "--root", folder)
    assert align(folder, *more) == 1
    answer = capsys.readouterr()
    rows = [row for row in csv.reader(io.StringIO(answer.out)) if row[0] != "sub/b.wav"]
    check(rows, SAID, talk[1])
    assert f"c.wav has no transcript: there is no {folder / 'c.txt'}" in answer.err
    tables = {file.name: file.read_text() for file in (tmp_path / "out").rglob("*.csv")}
    assert list(tables) == ["a.wav2vec2_kws.alignment.csv", "b.wav2vec2_kws.alignment.csv"]
    texts = tmp_path / "texts"
    (texts / "sub").mkdir(parents=True)
    for name, text in (("a", " ".join(SAID)), ("sub/b", "river"), ("c", "money")):
        (texts / f"{name}.txt").write_text(text)
    (folder / "c.txt").write_text("money")
    (folder / "sub" / "b.txt").write_text("river")
    assert align(folder, *more) == 0
    answer = capsys.readouterr()
    assert "3 recordings, 1 of them ended before, 2 to do" in answer.err
    listed = [row[0] for row in csv.reader(io.StringIO(answer.out))]
    assert sorted(listed) == [*["a.wav"] * 5, "c.wav", "file", "sub/b.wav"]
    assert align(folder, "--text", texts, "--csv", "--root", folder) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(answer.out.splitlines())
    assert sorted(file.name for file in folder.rglob("*")) == [
        "a.srt",
        "a.txt",
        "a.wav",
        "b.txt",
        "b.wav",
        "c.txt",
        "c.wav",
        "sub",
    ]


@pytest.mark.parametrize("form", ["textgrid", "srt", "ssi", "eaf"])
def test_what_is_listed_is_whole_whatever_files_are_written(
    mono: Write, tmp_path: Path, form: str, capsys: Capture
) -> None:
    """Subtitles have no confidences, and NOVA's files two decimals: a table beside them has all."""
    audio = mono("talk.wav", say(SAID)[0])
    (tmp_path / "talk.txt").write_text("doctor hospital; river")
    assert align(audio, tmp_path / "talk.txt", "--csv") == 0
    plain = capsys.readouterr().out
    words = (audio, tmp_path / "talk.txt", "--csv", "--out", tmp_path / "out", "--format", form)
    for _ in range(2):
        assert align(*words) == 0
        assert capsys.readouterr().out == plain
    assert (tmp_path / "out" / "talk.wav2vec2_kws.alignment.csv").is_file()


def test_run_takes_a_folder_of_inputs(mono: Write, tmp_path: Path, capsys: Capture) -> None:
    for name in ("river", "money"):
        mono(f"{name}.wav", say([name])[0])
    (tmp_path / "texts").mkdir()
    for name in ("river", "money"):
        (tmp_path / "texts" / f"{name}.txt").write_text(name)
    words = ["run", "wav2vec2_kws", str(tmp_path), "--output", "alignment", "--model", str(SPELLER)]
    assert main([*words, "--input", f"transcript={tmp_path / 'texts'}", "--table", str(tmp_path / "t.csv")]) == 0
    labels = [row[3] for row in csv.reader((tmp_path / "t.csv").open())]
    assert labels == ["label", "money", "river"]
    assert main([*words, "--set", f"model={SPELLER}x"]) == 1
    assert f"--model {SPELLER} and --set model={SPELLER}x differ; give one" in capsys.readouterr().err


def test_find_and_align_into_one_folder(talk: tuple[Path, list[Spoken]], tmp_path: Path, capsys: Capture) -> None:
    """Options that concern the keywords only are no other way of aligning; and other keywords are one of finding."""
    (tmp_path / "talk.txt").write_text(" ".join(SAID))
    talk[0].with_name("again.wav").write_bytes(talk[0].read_bytes())
    (tmp_path / "again.txt").write_text(" ".join(SAID))
    more = (str(tmp_path), "--out", str(tmp_path / "out"), "--format", "eaf", "--model", str(SPELLER))
    assert main(["find", "money", *more]) == 0
    assert main(["align", *more]) == 0
    eaf = (tmp_path / "out" / "talk.eaf").read_text(encoding="utf-8")
    assert 'TIER_ID="keywords"' in eaf
    assert 'TIER_ID="alignment"' in eaf
    capsys.readouterr()
    for words in (["find", "money"], ["align"]):
        assert main([*words, *more]) == 0
        assert "2 of them ended before" in capsys.readouterr().err
    assert main(["find", "river", *more]) == 2
    assert "differs in options.keywords ('money' there, 'river' here)" in capsys.readouterr().err
