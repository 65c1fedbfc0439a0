"""`novaspeech corpus`: results, report, and going on after whatever ended it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.standins import lay_out_as_cached
from novaspeech.command.main import main
from novaspeech.corpus.worker import Worker
from novaspeech.errors import WeightsError
from tests.conftest import ROOT
from tests.novaspeech.corpus.conftest import content

Command = Callable[..., int]


def report(file: str = "out/report.jsonl") -> dict[str, dict[str, Any]]:
    """What the report says of each id, which stands there once."""
    rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row for row in rows}


def statuses(file: str = "out/report.jsonl") -> dict[str, str]:
    return {row_id: row["status"] for row_id, row in report(file).items()}


DONE = {"a": "done", "b": "done", "sub/c": "done", "sub/d ü": "done", "e": "done", "cut": "failed"}


def test_the_results_are_those_of_run_and_the_report_tells_of_each(
    corpus: Command, talks: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert corpus() == 1
    said = capsys.readouterr().err
    assert main(["run", "emow2v", "talks", "--out", "plain", "--set", f"model={model}", "--output", "arousal",
                 "--output", "embedding"]) == 1  # fmt: skip
    plain = {name: data for name, data in content("plain").items() if not name.endswith(".json")}
    assert content() == plain
    told = report()
    assert {row_id: row["status"] for row_id, row in told.items()} == DONE
    assert sorted(name for row in told.values() for name in row["files"]) == sorted(plain)
    assert list(told["a"]["shapes"]) == ["arousal", "embedding"]
    assert told["a"]["shapes"]["embedding"][0] == told["a"]["shapes"]["arousal"][0] == round(told["a"]["seconds"] * 25)
    assert (told["a"]["rate"], told["a"]["attempts"], told["a"]["place"]) == (25, 1, str(talks / "a.wav"))
    assert told["cut"]["reason"].startswith(f"cut: {talks}/cut.flac is damaged")
    status = json.loads(Path("out/status.json").read_text())
    assert {key: status[key] for key in ("state", "recordings", "done", "failed", "ended_before")} == {
        "state": "ended", "recordings": 6, "done": 5, "failed": 1, "ended_before": 0,
    }  # fmt: skip
    assert "6 recordings, 0 of them ended before, 6 to do" in said
    assert said.count("failed") == 1
    assert told["cut"]["reason"] in said


def test_what_has_ended_is_not_done_again_and_no_model_is_loaded(
    corpus: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus()
    first, told = content(), report()

    def load(self: Worker) -> None:
        raise AssertionError("nothing is to be done")

    monkeypatch.setattr(Worker, "load", load)
    assert corpus() == 1
    assert (content(), report()) == (first, told)


def test_what_failed_is_done_again_if_that_is_asked_for(corpus: Command, talks: Path) -> None:
    corpus()
    shutil.copy(talks / "b.flac", talks / "cut.flac")
    assert corpus() == 1
    assert statuses()["cut"] == "failed"
    before = report()
    assert corpus("--retry-failed") == 0
    assert statuses()["cut"] == "done"
    assert {row_id: row for row_id, row in report().items() if row_id != "cut"} == {
        row_id: row for row_id, row in before.items() if row_id != "cut"
    }


def test_a_dry_run_does_nothing(corpus: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert corpus("--dry-run") == 0
    assert "6 recordings, 0 of them ended before, 6 to do" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--stride", "100ms"), "milliseconds.stride ('40' there, '100' here)"),
        (("--set", "context=recording"), "options.context ('window' there, 'recording' here)"),
        (("--format", "npy"), "formats (\"['ssi']\" there, \"['npy']\" here)"),
        (("--output", "valence"), "outputs ("),
    ],
)
def test_another_job_at_the_same_place_is_refused_with_what_differs(
    corpus: Command, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    Path("out/.corpus").mkdir(parents=True)
    corpus(inputs=["talks/e.wav"])
    before = content()
    capsys.readouterr()
    assert corpus(*more) == 1
    line = capsys.readouterr().err
    assert line.startswith("novaspeech: out holds results of another job, which differs in ")
    assert said in line
    assert content() == before


def test_another_model_at_the_same_place_is_another_job(
    corpus: Command, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus(inputs=["talks/e.wav"])
    file, stamp = model / "config.json", (model / "config.json").stat()
    try:
        os.utime(file, (0, 0))
        assert corpus() == 1
    finally:
        os.utime(file, (stamp.st_atime, stamp.st_mtime))
    assert f"differs in files.{model} (" in capsys.readouterr().err


def test_a_model_of_the_hub_is_the_commit_that_was_there_when_the_job_began(
    corpus: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    snapshot = lay_out_as_cached("emow2v", tmp_path, "owner/name")
    commit = snapshot.rename(snapshot.with_name("a" * 40)).name
    (snapshot.parents[1] / "refs/main").write_text(commit)
    given = ("--set", "model=owner/name")
    assert corpus(*given, inputs=["talks/e.wav"]) == 0
    assert json.loads(Path("out/.corpus/job.json").read_text())["options"]["model"] == f"owner/name@{commit}"
    snapshot.with_name(commit).rename(snapshot.with_name("b" * 40))
    (snapshot.parents[1] / "refs/main").write_text("b" * 40)
    assert corpus(*given, inputs=["talks/a.wav"]) == 1
    assert f"options.model ('owner/name@{commit}' there, 'owner/name@{'b' * 40}' here)" in capsys.readouterr().err
    assert corpus("--set", "model=owner/other", out="other") == 1
    assert "model 'owner/other' is not in " in capsys.readouterr().err


def test_a_kill_between_the_record_of_an_end_and_that_of_its_beginning_leaves_nothing(corpus: Command) -> None:
    corpus(inputs=["talks/e.wav"])
    before = content()
    begun = Path("out/.corpus/begun/e.json")
    begun.parent.mkdir(exist_ok=True)
    begun.write_text('[{"at": "2026-11-28T09:54:17+00:00", "on": "vm", "process": 1, "run": "other"}]')
    assert corpus(inputs=["talks/e.wav"]) == 0
    assert content() == before


def test_shards_share_the_work(corpus: Command) -> None:
    corpus(out="whole")
    assert corpus("--shard", "1/2") in (0, 1)
    assert corpus("--shard", "2/2") in (0, 1)
    assert content() == content("whole")
    parts = [statuses(f"out/report.{part}-of-2.jsonl") for part in (1, 2)]
    assert [len(part) for part in parts] == [3, 3]
    assert parts[0] | parts[1] == DONE
    assert corpus() == 1
    assert statuses() == DONE


def test_numbers_for_numpy_in_half(corpus: Command) -> None:
    corpus("--format", "npy", out="whole")
    assert corpus("--format", "npy", "--dtype", "float16") == 1
    for name, data in content("whole").items():
        Path("one.npy").write_bytes(data)
        half, full = np.load(Path("out", name)), np.load("one.npy")
        assert (half.dtype, full.dtype, half.shape) == (np.float16, np.float32, full.shape)
        np.testing.assert_allclose(half, full, rtol=1e-3, atol=1e-6)
    assert sorted(content()) == sorted(content("whole"))
    assert set(report()["a"]["files"]) == {"a.arousal.npy", "a.embedding.npy"}


def test_manifests_name_the_results(corpus: Command, talks: Path) -> None:
    Path("m.jsonl").write_text('{"id": "anna/7", "audio_filepath": "talks/a.wav", "duration": 2}\n')
    assert corpus(inputs=["m.jsonl"]) == 0
    assert sorted(content()) == [
        "anna/7.arousal.annotation", "anna/7.arousal.annotation~",
        "anna/7.embedding.stream", "anna/7.embedding.stream~",
    ]  # fmt: skip
    assert corpus(inputs=["talks/a.wav"], out="plain") == 0
    assert Path("out/anna/7.embedding.stream~").read_bytes() == Path("plain/a.embedding.stream~").read_bytes()


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Makes the model raise something over the recording a."""

    def faulty(error: Exception) -> None:
        done = Worker._done

        def fail(self: Worker, rows: Any, *more: Any) -> Any:
            if "a" in [row.id for row in rows]:
                raise error
            return done(self, rows, *more)

        monkeypatch.setattr(Worker, "_done", fail)

    return faulty


def test_what_is_no_fault_of_a_recording_ends_the_run_and_three_times_are_enough(
    corpus: Command, faulty: Callable[[Exception], None], capsys: pytest.CaptureFixture[str]
) -> None:
    faulty(RuntimeError("CUDA error: an illegal memory access\nmore"))
    for _ in range(3):
        assert corpus() == 1
        [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("novaspeech: ")]
        assert line.endswith("talks/a.wav: RuntimeError: CUDA error: an illegal memory access")
        assert statuses()["a"] == "not begun"
    assert json.loads(Path("out/status.json").read_text())["state"] == "stopped"
    assert corpus() == 1
    assert statuses() == DONE | {"a": "failed"}
    row = report()["a"]
    assert row["reason"].startswith("given up: 3 processes ended over it, the last one on ")
    assert row["reason"].endswith(": RuntimeError: CUDA error: an illegal memory access")
    assert row["attempts"] == 3


def test_short_recordings_share_passes_and_one_that_is_at_fault_costs_the_others_nothing(
    corpus: Command, faulty: Callable[[Exception], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert corpus("--together", "4", "--format", "npy") == 1
    assert corpus("--format", "npy", out="plain") == 1
    assert statuses() == DONE
    for file in Path("plain").rglob("*.npy"):
        np.testing.assert_allclose(np.load(Path("out", file.relative_to("plain"))), np.load(file), atol=1e-4)
    faulty(RuntimeError("CUDA error"))
    for _ in range(3):
        capsys.readouterr()
        assert corpus("--together", "4", "--format", "npy", out="other") == 1
        assert "RuntimeError: CUDA error" in capsys.readouterr().err
    assert corpus("--together", "4", "--format", "npy", out="other") == 1
    assert statuses("other/report.jsonl") == DONE | {"a": "failed"}


def test_a_model_that_cannot_be_had_ends_the_run(
    corpus: Command, faulty: Callable[[Exception], None], capsys: pytest.CaptureFixture[str]
) -> None:
    faulty(WeightsError("no such model"))
    assert corpus() == 1
    assert "novaspeech: no such model" in capsys.readouterr().err


def test_ctrl_c_is_no_attempt(corpus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: Worker, *more: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)  # as a scheduler does before it kills
        time.sleep(10)

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "_done", stop)
        for _ in range(4):
            assert corpus() == 130
    assert corpus() == 1
    assert statuses() == DONE
    assert {row["attempts"] for row in report().values()} == {1}


def test_killed_at_any_moment_it_goes_on_and_leaves_nothing_in_part(corpus: Command, model: Path) -> None:
    """Three kills of a process of its own: while it begins, computes and writes."""
    corpus(out="whole")
    command = [sys.executable, "-m", "novaspeech", "corpus", "emow2v", "talks", "--out", "out"]
    command += ["--output", "arousal", "--output", "embedding", "--set", f"model={model}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "modules")}
    for ended in (0, 1, 3):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
        try:
            until = time.monotonic() + 60
            while len(list(Path("out/.corpus/ended").rglob("*.json"))) < ended and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(0.02)
        finally:
            process.kill()
            process.wait()
    assert corpus() == 1
    assert content() == content("whole")
    assert statuses() == DONE


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--shard", "0/2"), "--shard is '0/2'; it must be I/N with I from 1 to N, as 3/16"),
        (("--shard", "3"), "--shard is '3'; it must be I/N"),
        (("--shard", "1/2", "--engine", "ray"), "--shard and --engine ray both hand out the work; take one of them"),
        (("--workers-per-gpu", "0"), "--workers-per-gpu is 0; it must be 1 or more"),
        (("--together", "0"), "--together is 0; it must be 1 or more"),
        (("--dtype", "float16"), "--dtype float16 is for --format npy; NOVA's streams hold float32"),
        (("--set", "contxt=window"), "unknown option 'contxt'"),
    ],
)
def test_wrong_commands_get_one_line(
    corpus: Command, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    assert corpus(*more) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert not Path("out").exists()
