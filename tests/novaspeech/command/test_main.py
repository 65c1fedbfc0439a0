import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from discover_utils.data.handler.file_handler import FileHandler
from matplotlib.image import imread

from demo.standins import make_standin
from novaspeech.command.main import main

Speech = Callable[..., Path]


@pytest.fixture
def novaspeech(small_model: Path) -> Callable[..., int]:
    """The command, with the small model."""

    def run(*arguments: object) -> int:
        words: Sequence[str] = [str(argument) for argument in arguments]
        return main([*words, *(["--set", f"model={small_model}"] if words[0] == "run" else [])])

    return run


def problems_of(captured: str) -> list[str]:
    """The lines on standard error that say what is wrong, without those of bars and progress."""
    return [line for line in captured.splitlines() if line.startswith("novaspeech: ")]


def test_run_with_windows_options_and_a_folder(novaspeech: Callable[..., int], speech: Speech, tmp_path: Path) -> None:
    recording, out = speech("odd {name}.wav"), tmp_path / "new" / "{out}"
    windows = ["--frame", "40ms", "--left", "1.0s", "--right", "20ms", "--stride", "100ms", "--end", "1.5s"]
    assert novaspeech("run", "w2v_bert_2", recording, "--out", out, *windows, "--set", "batch_size=3") == 0
    stream = FileHandler().load(out / "odd {name}.w2v_bert_2.embeddings.stream")
    assert (stream.data.shape, stream.meta_data.sample_rate) == ((15, 64), 10)


def test_a_name_too_long_for_its_outputs_is_said_before_the_work(
    novaspeech: Callable[..., int], speech: Speech, capsys: pytest.CaptureFixture[str]
) -> None:
    assert novaspeech("run", "w2v_bert_2", speech(f"{'x' * 240}.wav"), speech("good.wav")) == 1
    said = capsys.readouterr().err
    [problem] = problems_of(said)
    assert problem.endswith(".embeddings.stream is too long; give the recording or the folder a shorter one")
    assert said.index(problem) < said.index("good: 50 windows")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "w2v", "a.wav"], "there is no module 'w2v'; there are: "),
        (["run", "w2v_bert_2", "a.wav", "--set", "speed"], "--set 'speed' must be OPTION=VALUE"),
        (["run", "w2v_bert_2", "a.wav", "--frame", "fast"], "frame is 'fast'; it must be a time"),
        (["run", "w2v_bert_2", "x/a.wav", "y/a.wav", "--out", "."], "/y/a.wav would both write a.*; rename one, "),
        (
            ["run", "wav2vec2_sv", "a.wav", "--input", "reference=b.wav", "--input", "reference=c.wav"],
            "--input reference= is given twice, 'b.wav' and 'c.wav'; give one",
        ),
    ],
)
def test_wrong_commands_get_one_line(
    novaspeech: Callable[..., int], arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert novaspeech(*arguments) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("novaspeech: ")
    assert message in line


def test_further_inputs_and_stretches(speech: Speech, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_standin("wav2vec2_sv", tmp_path / "model")
    recording = speech("a {b}.wav", seconds=8)
    common = ["run", "wav2vec2_sv", str(recording), "--set", f"model={tmp_path}/model", "--set", "threshold=-1"]
    common += ["--output", "embeddings", "--output", "same_speaker"]
    assert main(common) == 1
    assert "output 'same_speaker' needs the input 'reference': add --input reference=" in capsys.readouterr().err
    assert main([*common, "--input", "reference"]) == 1
    assert "--input 'reference' must be ID=FILE, for example --input reference=somebody.wav" in capsys.readouterr().err
    assert main([*common, "--input", f"refrence={recording}"]) == 1
    assert "wav2vec2_sv has no further input 'refrence'; it has reference" in capsys.readouterr().err
    assert main([*common, "--input", f"reference={recording}"]) == 0
    assert [
        tuple(row)[:3] for row in FileHandler().load(tmp_path / "a {b}.wav2vec2_sv.same_speaker.annotation").data
    ] == [(0, 8000, 0)]
    assert main(["plot", str(tmp_path)]) == 0
    assert imread(tmp_path / "a {b}.png").shape[0] > 500


def test_what_cannot_be_drawn_or_written_gets_one_line(
    novaspeech: Callable[..., int], speech: Speech, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = speech("a.wav")
    assert novaspeech("run", "w2v_bert_2", recording, "--out", recording) == 1
    novaspeech("run", "w2v_bert_2", recording)
    assert novaspeech("plot", tmp_path, "--out", tmp_path / "nowhere" / "a.png") == 1
    (tmp_path / "a.embeddings.stream").write_text("<stream>")
    assert novaspeech("plot", tmp_path) == 1
    problems = problems_of(capsys.readouterr().err)
    for problem, message in zip(
        problems, ("a.wav is a file; name a folder", "No such file", "a.embeddings.stream cannot be read"), strict=True
    ):
        assert message in problem


def test_times_left_out_are_the_trainers_and_zero_is_zero(
    novaspeech: Callable[..., int], speech: Speech, tmp_path: Path
) -> None:
    recording, written = speech("a.wav"), {}
    for name, arguments in {"default": [], "frame": ["--frame", "40ms"], "zero": ["--left", "0"]}.items():
        novaspeech("run", "w2v_bert_2", recording, "--out", tmp_path / name, *arguments)
        written[name] = (tmp_path / name / "a.w2v_bert_2.embeddings.stream~").read_bytes()
    assert written["default"] == written["frame"] != written["zero"]


FAILING = """
import sys
from novaspeech.corpus import plan
from novaspeech.command.main import main
from novaspeech.errors import RecordingError

class Model:
    def __init__(self, module, options, windows, log, wording):
        self.log = log
    def __call__(self, recording, *asked, progress, **more):
        progress(3, 10)
        self.log("a line")
        raise RecordingError(f"{recording.name} is broken")

plan.Model = Model
sys.exit(main(["run", "w2v_bert_2", *sys.argv[1:]]))
"""


def test_lines_stand_above_the_bar(speech: Speech) -> None:
    """On a terminal: each on a line of its own."""
    recordings = [speech(name) for name in ("a.wav", "b.wav")]
    words = [*map(str, recordings), "--set", f"model={recordings[0].parent}"]  # which nobody loads
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 90, 0, 0))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", FAILING, *words], stderr=slave, env=environment)
    os.close(slave)
    written = b""
    with contextlib.suppress(OSError):  # Linux' way to say that nobody writes any more
        while part := os.read(master, 4096):
            written += part
    os.close(master)
    assert process.wait(60) == 1
    lines = written.decode().split("\r\n")
    shown = [line.split("\r")[-1] for line in lines if line]
    assert shown.pop(4).startswith("2/2 b.wav: 100%|")
    assert shown == [
        "a line", "novaspeech: a.wav is broken", "a line", "novaspeech: b.wav is broken", "failed           2",
        "  a.wav is broken", "  b.wav is broken",
    ]  # fmt: skip
