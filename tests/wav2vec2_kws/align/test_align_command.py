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
    assert rows[0] == ["start", "end", "word", "confidence"]
    assert [row[2] for row in rows[1:]] == words
    for (start, end, _, confidence), word in zip(rows[1:], spoken, strict=True):
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
    assert [row[3] for row in rows if row[2] in ("1000", "hospital")] == ["0.000", "0.000"]
    assert "1 of 5 words are not heard where the transcript has them, and have confidence 0: hospital (" in answer.err
    assert "1 of 5 words cannot be spelt by the model, and have confidence 0: 1000 (" in answer.err


def test_silence_and_nan(mono: Write, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "talk.txt").write_text("money river")
    for audio in (mono("silence.wav", np.zeros(32000)), mono("nan.wav", np.full(32000, np.nan))):
        assert align(audio, tmp_path / "talk.txt") == 0
        rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [row[2:] for row in rows[1:]] == [["money", "0.000"], ["river", "0.000"]]


@pytest.mark.parametrize(
    ("audio", "text", "sentence"),
    [
        ("talk.wav", "other.txt", "other.txt does not exist"),
        ("talk.wav", "talk.wav", "talk.wav must end in .txt, .srt, .vtt, .TextGrid or .annotation"),
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
