"""`novaspeech run --jobs`, what is shown meanwhile, and what Ctrl-C leaves."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from novaspeech.corpus import processes
from novaspeech.corpus.plan import Plan
from novaspeech.errors import WeightsError
from novaspeech.terminal import bar as bars
from tests.conftest import ROOT
from tests.novaspeech.corpus.conftest import DONE, Run, command, content, report, statuses, until


def test_processes_write_the_same_bytes(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))  # which decides how sums are rounded
    assert run(out="alone") == 1
    capsys.readouterr()
    assert run("--jobs", "2") == 1
    assert content() == content("alone")
    alone, told = report("alone/_emow2v.report.jsonl"), report()
    assert {row_id: {**row, "took": 0} for row_id, row in told.items()} == {
        row_id: {**row, "took": 0} for row_id, row in alone.items()
    }
    assert capsys.readouterr().err.count(" on cpu, float32") == 1, "one process tells of the model"


def test_a_recording_that_kills_its_process_costs_the_others_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where Linux ends what takes too much memory."""
    give = processes._Process.give

    def give_and_kill(self: Any, rows: Any) -> None:
        give(self, rows)
        if rows[0].place.endswith("/a.wav"):
            self._process.kill()

    monkeypatch.setattr(processes._Process, "give", give_and_kill)
    assert run("--jobs", "2", "--report", "r.jsonl", out="") == 1
    told = {Path(row["place"]).name: row for row in report("r.jsonl").values()}
    assert {name: row["status"] for name, row in told.items()} == {
        "a.wav": "failed", "b.flac": "done", "c.m4a": "done", "d ü.wav": "done", "e.wav": "done", "cut.flac": "failed",
    }  # fmt: skip
    assert told["a.wav"]["reason"].startswith("given up: 3 processes ended over it, the last one on ")
    assert told["a.wav"]["reason"].endswith(": a process ended with -9, maybe for lack of memory,")
    assert not Path("talks/.a.emow2v.json").exists()


def test_a_process_that_cannot_have_the_model_says_why(talks: Path) -> None:
    """Its part of the talk, in this process; starting one takes seconds."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    ours, theirs = multiprocessing.Pipe()
    processes._work(Plan("emow2v", {"model": "talks"}), theirs)
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGTERM, before[1])
    kind, error = ours.recv()
    assert (kind, type(error)) == ("error", WeightsError)
    assert str(error).startswith("talks is no model folder")


def test_processes_that_die_over_the_model_are_not_started_for_ever(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = processes._Process.__init__

    def die(self: Any, plan: Plan, *, tells: bool) -> None:
        start(self, plan, tells=tells)
        self._process.kill()

    monkeypatch.setattr(processes._Process, "__init__", die)
    assert run("--jobs", "2") == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("novaspeech: ")]
    assert line.startswith(
        "novaspeech: a process ended with -9, maybe for lack of memory, while it loaded the model; take fewer --jobs"
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_nothing_half_done_and_says_how_to_go_on(talks: Path, model: Path, jobs: str) -> None:
    samples, rate = soundfile.read(talks / "e.wav", dtype="float32", always_2d=True)
    Path("long").mkdir()
    for name, times in (("0", 1000), ("1", 900), ("2", 1)):  # much of it, so that the signal comes in the middle
        with soundfile.SoundFile(f"long/{name}.wav", "w", rate, samples.shape[1]) as file:
            for _ in range(times):
                file.write(samples)
    Path("list.jsonl").write_text(
        "".join(f'{{"audio_filepath": "long/{name}.wav", "duration": {1 + 9000 * (name == "2")}}}\n' for name in "012")
    )
    words = [sys.executable, *command(model, "--jobs", jobs, inputs=["list.jsonl"])]  # which has the short one first
    environment = os.environ | {"PYTHONPATH": str(ROOT / "modules")}
    process = subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    try:
        until(lambda: Path("out/long/2.emow2v.embedding.stream").exists())
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert said.splitlines()[-1] == (
        "novaspeech: stopped with 1 of 3 recordings done, and nothing half done; the same command goes on"
    )
    assert {Path(name).name.partition(".")[0] for name in content() if name.startswith("long")} == {"2"}
    assert sorted(file.name for file in Path("out/long").glob("*.json")) == [".2.emow2v.json"]
    assert sorted(statuses().values()) == ["done", "not begun", "not begun"]


def test_in_a_log_a_line_a_minute_says_how_far_it_is(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bars, "_LINE_EVERY_S", 0)
    assert run() == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if " of 6 recordings" in line]
    assert lines[0].startswith("0 of 6 recordings, ")
    assert lines[-1].startswith("6 of 6 recordings, 1 failed, 100%, ")
    assert lines[-1].endswith(" h of audio per h, about 00:00 left")


def test_quiet_says_only_what_is_wrong_and_verbose_where_it_arose(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--quiet", inputs=["talks/a.wav", "talks/e.wav"]) == 0
    assert capsys.readouterr().err == ""
    assert run("--quiet") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("novaspeech: cut: ")
    assert run("--verbose", "--retry-failed", "--anew") == 1
    said = capsys.readouterr().err
    assert "talks/a.wav: done in " in said
    assert "talks/cut.flac: failed in " in said
    assert "Traceback" in said
    assert statuses() == DONE
