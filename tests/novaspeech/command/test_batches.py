"""`novaspeech run` over many recordings: what is skipped, what fails, what is left when it is stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from demo.standins import make_standin
from novaspeech.batch import workers
from novaspeech.batch.order import Order
from novaspeech.command.main import main
from novaspeech.errors import WeightsError
from novaspeech.terminal import bar as bars
from tests.conftest import ROOT, SPELLER

Speech = Callable[..., Path]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_standin("emow2v", tmp_path_factory.mktemp("models") / "emow2v")


@pytest.fixture
def talks(speech: Speech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with recordings a, b and sub/c; the working directory is beside it."""
    folder = tmp_path / "talks"
    (folder / "sub").mkdir(parents=True)
    for name, seconds in (("a.wav", 2), ("b.flac", 3), ("sub/c.m4a", 2)):
        speech(Path(name).name, seconds=seconds).rename(folder / name)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def run(model: Path) -> Callable[..., int]:
    def run(*more: object, inputs: Sequence[object] = ("talks",)) -> int:
        words = ["run", "emow2v", *inputs, "--out", "out", "--output", "arousal", "--set", f"model={model}", *more]
        return main(list(map(str, words)))

    return run


def report(file: str = "report.json") -> dict[str, tuple[str, str]]:
    """State and reason of each recording, by name."""
    content = json.loads(Path(file).read_text(encoding="utf-8"))
    return {Path(one["file"]).name: (one["state"], one["reason"]) for one in content["recordings"]}


def states() -> list[str]:
    return [state for state, _ in report().values()]


def content(folder: str = "out") -> dict[str, bytes]:
    """The annotations in a tree, by their places in it."""
    files = [file for file in Path(folder).rglob("*") if file.is_file() and file.suffix != ".json"]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_tree_is_written_and_told_of(
    run: Callable[..., int], talks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (talks / "bad.mp3").write_text("no audio")
    assert run("--report", "reports/r.json", inputs=["talks", "missing.wav"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert set(content()) == {f"{name}.arousal.annotation{end}" for name in ("a", "b", "sub/c") for end in ("", "~")}
    assert [line.split() for line in said[-4:-2]] == [["done", "3"], ["failed", "2"]]
    told = report("reports/r.json")
    assert {name: state for name, (state, _) in told.items()} == {
        "a.wav": "done", "b.flac": "done", "c.m4a": "done", "bad.mp3": "failed", "missing.wav": "failed",
    }  # fmt: skip
    assert told["missing.wav"][1].startswith("missing.wav does not exist; ")
    assert f"  {told['bad.mp3'][1]}" in said
    # What can be known before is said before the model is loaded.
    loaded = next(number for number, line in enumerate(said) if " on cpu, float32" in line)
    assert sum(line.startswith("novaspeech: ") for line in said[:loaded]) == 2
    written = json.loads(Path("reports/r.json").read_text())
    assert written["counts"] == {"done": 3, "failed": 2}
    by_name = {Path(one["file"]).name: one for one in written["recordings"]}
    assert by_name["b.flac"]["seconds"] == 3
    assert by_name["b.flac"]["files"] == [str(Path("out/b.arousal.annotation"))]


def test_what_is_there_is_skipped(run: Callable[..., int], talks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = ("--skip-existing", "--report", "report.json")
    assert run(*again) == 0
    assert states() == ["done"] * 3
    capsys.readouterr()
    assert run(*again) == 0
    assert states() == ["skipped"] * 3
    assert " on cpu" not in capsys.readouterr().err, "the model was loaded for nothing"


def forget(talks: Path) -> None:
    Path("out/b.emow2v.json").unlink()


def spoil(talks: Path) -> None:
    Path("out/b.arousal.annotation~").write_bytes(b"1;1\n")


def lose(talks: Path) -> None:
    Path("out/b.arousal.annotation~").unlink()


def change(talks: Path) -> None:
    shutil.copy(talks / "a.wav", talks / "a.tmp")
    (talks / "a.tmp").replace(talks / "b.flac")


def garble(talks: Path) -> None:
    Path("out/b.emow2v.json").write_text('{"made": 3, "from": []}')


@pytest.mark.parametrize("harm", [forget, spoil, lose, change, garble])
def test_what_is_not_whole_or_not_of_this_recording_is_made_again(
    run: Callable[..., int], talks: Path, harm: Callable[[Path], None]
) -> None:
    assert run() == 0
    harm(talks)
    before = Path("out/a.arousal.annotation").stat().st_mtime_ns
    assert run("--skip-existing", "--report", "report.json") == 0
    assert {name: state for name, (state, _) in report().items()} == {
        "a.wav": "skipped", "b.flac": "done", "c.m4a": "skipped",
    }  # fmt: skip
    assert Path("out/a.arousal.annotation").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "more",
    [("--set", "batch_size=3"), ("--stride", "80ms"), ("--end", "1s"), ("--set", "context=recording")],
    ids=lambda more: more[1],
)
def test_another_option_computes_anew_and_tells_of_nothing_older(
    run: Callable[..., int], talks: Path, more: tuple[str, str]
) -> None:
    again = ("--skip-existing", "--report", "report.json")
    assert run("--output", "valence", inputs=["talks/a.wav"]) == 0
    assert run(*more, *again, inputs=["talks/a.wav"]) == 0
    assert states() == ["done"]
    assert run("--output", "valence", *again, inputs=["talks/a.wav"]) == 0
    assert states() == ["done"]


def test_other_outputs_and_formats_are_added_to_what_is_known(run: Callable[..., int], talks: Path) -> None:
    a = ["talks/a.wav"]
    assert run(inputs=a) == 0
    for more in (("--output", "valence"), ("--format", "csv"), ("--output", "valence", "--format", "ssi")):
        assert run(*more, "--skip-existing", "--report", "report.json", inputs=a) == 0
        assert states() == ["skipped" if "ssi" in more else "done"]


def test_a_keyword_that_is_a_folder_here_is_a_keyword(talks: Path) -> None:
    """Only options that may name files are taken for such: the folder changes with each run."""
    Path("money").mkdir()
    command = ["run", "wav2vec2_kws", "talks/a.wav", "--set", f"model={SPELLER}", "--set", "keywords=money"]
    for expected in ("done", "skipped"):
        Path("money", expected).touch()
        assert main([*command, "--skip-existing", "--report", "report.json"]) == 0
        assert states() == [expected]


def test_another_model_at_the_same_place_computes_anew(
    talks: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = shutil.copytree(model, tmp_path / "own")
    command = ["run", "emow2v", "talks/a.wav", "--out", "out", "--output", "arousal", "--set", f"model={own}"]
    for expected in ("done", "skipped"):
        assert main([*command, "--skip-existing", "--report", "report.json"]) == 0
        assert states() == [expected]
    weights = own / "model.safetensors"
    os.utime(weights, (1, 1))
    assert main([*command, "--skip-existing", "--report", "report.json"]) == 0
    assert states() == ["done"]


def test_processes_write_the_same_bytes(
    run: Callable[..., int], talks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (talks / "cut.flac").write_bytes((talks / "b.flac").read_bytes()[:30_000])
    assert run("--report", "report.json") == 1
    alone, told = content(), report()
    shutil.rmtree("out")
    capsys.readouterr()
    assert run("--jobs", "2", "--report", "report.json") == 1
    assert content() == alone
    assert report() == told
    assert told["cut.flac"][1].startswith("cut: talks/cut.flac is damaged")
    said = capsys.readouterr().err
    assert said.count(" on cpu, float32") == 1
    assert workers._THREADS not in os.environ or os.environ[workers._THREADS] == "1"


def test_a_process_that_dies_costs_one_recording(
    run: Callable[..., int], talks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where Linux ends what takes too much memory."""
    send = workers._Worker.give

    def give(self: Any, task: Any) -> None:
        send(self, task)
        if task and task.recording.name == "a.wav":
            self._process.kill()

    monkeypatch.setattr(workers._Worker, "give", give)
    assert run("--jobs", "2", "--report", "report.json") == 1
    told = report()
    assert told["a.wav"] == ("failed", "its process ended with -9; was there too little memory?")
    assert [told[name][0] for name in ("b.flac", "c.m4a")] == ["done", "done"]


def test_a_process_that_cannot_have_the_model_says_why(talks: Path) -> None:
    """Its part of the talk, in this process; starting one takes seconds."""
    before = signal.getsignal(signal.SIGINT)
    ours, theirs = multiprocessing.Pipe()
    workers._work(Order("emow2v", {"model": "talks"}), theirs, True)
    signal.signal(signal.SIGINT, before)
    kind, error = ours.recv()
    assert (kind, type(error)) == ("error", WeightsError)
    assert str(error).startswith("talks is no model folder")


def test_processes_that_die_over_the_model_are_not_started_for_ever(
    run: Callable[..., int], talks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = workers._Worker.__init__

    def die(self: Any, order: Order, *, tells: bool) -> None:
        start(self, order, tells=tells)
        self._process.kill()

    monkeypatch.setattr(workers._Worker, "__init__", die)
    assert run("--jobs", "2") == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("novaspeech: ")]
    assert line.startswith(
        "novaspeech: a process ended with -9 while it loaded the model; was there too little memory?"
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_nothing_half_done_and_says_how_to_go_on(talks: Path, model: Path, jobs: str) -> None:
    shutil.copy(talks / "a.wav", talks / "0.wav")
    for name in ("a.wav", "b.flac"):  # much of it, so that the signal comes in the middle
        subprocess.run(
            [
                "ffmpeg",
                "-v",
                "error",
                "-y",
                "-stream_loop",
                "900",
                "-i",
                talks / name,
                "-c:a",
                "pcm_s16le",
                f"{name}.wav",
            ],
            check=True,
        )
        Path(f"{name}.wav").replace(talks / name)
    command = [sys.executable, "-m", "novaspeech", "run", "emow2v", "talks", "--out", "out", "--set", f"model={model}"]
    command += ["--jobs", jobs, "--report", "report.json", "--output", "arousal"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "modules")}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True)
    try:
        until = time.monotonic() + 120
        while not Path("out/0.emow2v.json").exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert said.splitlines()[-1] == (
        "novaspeech: stopped with 1 of 4 recordings done, and nothing half done; the same command with --skip-existing "
        "goes on"
    )
    assert sorted(file.name for file in Path("out").iterdir()) == [
        "0.arousal.annotation", "0.arousal.annotation~", "0.emow2v.json",
    ]  # fmt: skip
    assert {name: state for name, (state, _) in report().items()} == {
        "0.wav": "done", "a.wav": "not begun", "b.flac": "not begun", "c.m4a": "not begun",
    }  # fmt: skip


def test_in_a_log_a_line_a_minute_says_how_far_it_is(
    run: Callable[..., int], talks: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bars, "_LINE_EVERY_S", 0)
    assert run() == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "of 3 recordings" in line]
    assert lines[-1].startswith("3 of 3 recordings, 100%, about 00:00 left")
    assert any(line.startswith("1 of 3 recordings, 29%, about ") for line in lines)


def test_quiet_says_only_what_is_wrong(
    run: Callable[..., int], talks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--quiet") == 0
    assert capsys.readouterr().err == ""
    (talks / "bad.mp3").write_text("no audio")
    assert run("--quiet") == 1
    assert [line.startswith("novaspeech: talks/bad.mp3") for line in capsys.readouterr().err.splitlines()] == [True]


def test_verbose_says_what_came_of_each_and_where_an_error_arose(
    run: Callable[..., int], talks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (talks / "cut.flac").write_bytes((talks / "b.flac").read_bytes()[:30_000])
    assert run("--verbose") == 1
    said = capsys.readouterr().err
    assert "talks/a.wav: done in " in said
    assert "talks/cut.flac: failed in " in said
    assert "Traceback" in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--jobs", "0"], "--jobs is 0; it must be 1 or more"),
        (["--set", "speed=2"], "unknown option 'speed'"),
        (["--output", "words"], "emow2v has no output 'words'; it has arousal, "),
        (["--input", "reference=a.wav"], "emow2v has no further input 'reference'; it has none"),
        (["--end", "soon"], "end 'soon' is no time; write 40ms or 1.5s"),
    ],
)
def test_what_is_wrong_with_an_order_is_said_before_anything_is_done(
    run: Callable[..., int], talks: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert run(*more) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"novaspeech: {said}")
    assert not Path("out").exists()


def test_inputs_that_no_chosen_output_uses_or_that_are_no_recordings(speech: Callable[..., Path]) -> None:
    with pytest.raises(
        ValueError, match=r"^the input 'reference' is for the outputs similarity, same_speaker, and onl"
    ):
        Order("wav2vec2_sv", outputs=["embeddings"], inputs={"reference": __file__}).check(print)
    with pytest.raises(ValueError, match=r"^--input reference=no\.wav: there is no such file"):
        Order("wav2vec2_sv", outputs=["similarity"], inputs={"reference": "no.wav"}).check(print)
    with pytest.raises(ValueError, match=rf"^--input reference={__file__}: .*{Path(__file__).name}"):
        Order("wav2vec2_sv", outputs=["similarity"], inputs={"reference": __file__}).check(print)
    voice = str(speech("voice.wav", seconds=1))
    assert Order("wav2vec2_sv", outputs=["similarity"], inputs={"reference": voice}).check(print)
