import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from novaspeech.command.main import main
from tests.conftest import ROOT, SPELLER
from tests.wav2vec2_kws.conftest import TAKES, say
from training.speech import Spoken

Write = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def talk(mono: Write) -> tuple[Path, list[Spoken]]:
    samples, spoken = say(["doctor", "money", "river", "summer", "money"])
    return mono("talk.wav", samples), spoken


def find(*words: object) -> int:
    return main(["find", *map(str, words), "--model", str(SPELLER)])


def test_a_table(talk: tuple[Path, list[Spoken]], mono: Write, capsys: Capture) -> None:
    audio, spoken = talk
    other = mono("other.wav", say(["river", "always"])[0])
    assert find("money", audio, other) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "start", "end", "label", "confidence"]
    assert len(lines) == 3
    for line, word in zip(lines[1:], (spoken[1], spoken[4]), strict=True):
        file, start, end, keyword, score = line.split()
        assert (file, keyword) == (str(audio), "money")
        assert float(start) == pytest.approx(word.start / 16000, abs=0.06)
        assert float(end) == pytest.approx(word.end / 16000, abs=0.06)
        assert 0.5 <= float(score) <= 1


def test_keywords_longer_than_a_files_name(talk: tuple[Path, list[Spoken]], capsys: Capture) -> None:
    assert find(", ".join(["money", *(f"hospital{'s' * more}" for more in range(30))]), talk[0]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_recording_of_the_keyword(talk: tuple[Path, list[Spoken]], mono: Write, capsys: Capture) -> None:
    example = mono("summer.wav", TAKES["summer", "en-gb+f3"])
    assert find(example, talk[0]) == 0
    [line] = capsys.readouterr().out.splitlines()[1:]
    assert line.split()[3] == "summer"
    assert float(line.split()[1]) == pytest.approx(talk[1][3].start / 16000, abs=0.1)


def test_nothing_found_is_1_and_a_problem_is_2(
    talk: tuple[Path, list[Spoken]], tmp_path: Path, capsys: Capture
) -> None:
    assert find("hospital", talk[0]) == 1
    answer = capsys.readouterr()
    assert (answer.out, answer.err.splitlines()[-1]) == ("", "novaspeech: nothing was found")
    assert find("money", tmp_path / "missing.wav", talk[0]) == 2
    answer = capsys.readouterr()
    assert "missing.wav does not exist" in answer.err
    assert len(answer.out.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("hello.wav",), "there is no file hello.wav; give a recording of the keyword, or the keyword in letters"),
        (("some/where",), "there is no file some/where"),
        (("çava",), "keyword 'çava' has 'ç', which the model does not write; it writes ' A B"),
        (("money", "--threshold", "2"), "option 'threshold' is '2.0'; it must be a number from 0 to 1"),
        (("money", "--set", "method=classifier"), "method=classifier needs what `novaspeech train-keywords` wrote"),
        (("money", "--tolerance", "4"), "option 'tolerance' is '4'; it must be a whole number from 0 to 3"),
        (("money", "--layer", "9"), "option 'layer' is 9; this model has the layers 0 to 3"),
    ],
)
def test_what_cannot_be_looked_for(
    talk: tuple[Path, list[Spoken]], words: tuple[str, ...], sentence: str, capsys: Capture
) -> None:
    assert find(words[0], talk[0], *words[1:]) == 2
    assert sentence in capsys.readouterr().err


def test_a_folder_and_files_of_what_was_found(
    talk: tuple[Path, list[Spoken]], mono: Write, tmp_path: Path, capsys: Capture
) -> None:
    """What was nearly found is said; files are those of `run`, and the same command lists them again."""
    (tmp_path / "talks").mkdir()
    talk[0].rename(tmp_path / "talks" / "talk.wav")
    mono("other.wav", say(["river", "always"])[0]).rename(tmp_path / "talks" / "other.wav")
    words = ("money, drummer", tmp_path / "talks", "--csv", "--out", tmp_path / "out", "--format", "parquet")
    assert find(*words) == 0
    answer = capsys.readouterr()
    rows = answer.out.splitlines()
    assert [row.split(",")[3] for row in rows] == ["label", "money", "money"]
    nearly = re.search(r"talk: 2 places with a keyword; the best below 0.5: drummer (0\.\d+) at (\d\.\d) s", answer.err)
    assert nearly
    assert float(nearly[2]) == pytest.approx(talk[1][3].start / 16000, abs=0.1)
    assert find("drummer", tmp_path / "talks", "--threshold", float(nearly[1]) - 0.02) == 0
    capsys.readouterr()
    assert find(*words) == 0
    again = capsys.readouterr()
    assert sorted(again.out.splitlines()) == sorted(rows)
    assert "2 of them ended before" in again.err
    assert len(list((tmp_path / "out").glob("*.wav2vec2_kws.keywords.parquet"))) == 2


def test_results_at_a_url_are_listed_too(talk: tuple[Path, list[Spoken]], capsys: Capture) -> None:
    assert find("money", talk[0], "--csv") == 0
    plain = capsys.readouterr().out
    for _ in range(2):
        assert find("money", talk[0], "--csv", "--out", f"memory://{talk[0].parent.name}", "--format", "srt") == 0
        assert capsys.readouterr().out == plain


def test_rows_have_lines_of_their_own_on_a_terminal(talk: tuple[Path, list[Spoken]], tmp_path: Path) -> None:
    """The bar goes for a row, and what follows begins a line."""
    command = [sys.executable, "-m", "novaspeech", "find", "money", str(talk[0]), "--model", str(SPELLER)]
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    environment = os.environ | {"PYTHONPATH": str(ROOT / "modules")}
    with subprocess.Popen(command, stdout=slave, stderr=slave, env=environment):
        os.close(slave)
        shown = b""
        with suppress(OSError):  # what a terminal gives whose last program has ended
            while part := os.read(master, 65536):
                shown += part
    os.close(master)
    lines = re.split(r"[\r\n]+", shown.decode())
    rows = [line for line in lines if "label" in line or " money " in line]
    assert [row.split()[0] for row in rows] == ["file", str(talk[0]), str(talk[0])]


def test_ctrl_c_says_what_stays(mono: Write, tmp_path: Path) -> None:
    audio = mono("long.wav", np.tile(say(["river"])[0], 300))
    for more, said in (
        ((), "novaspeech: interrupted"),
        (("--out", tmp_path / "out"), "stopped with 0 of 2 recordings done, and nothing half done; the same command"),
    ):
        words = ["find", "money", audio, mono("b.wav", np.zeros(16000)), *more, "--model", SPELLER]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "modules")}
        with subprocess.Popen(
            [sys.executable, "-m", "novaspeech", *map(str, words)], stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stderr
            lines = []
            for line in process.stderr:
                lines.append(line)
                if line.startswith("long: ") and "windows, one every" in line:
                    process.send_signal(signal.SIGINT)
        assert process.returncode == 130
        assert said in lines[-1]
