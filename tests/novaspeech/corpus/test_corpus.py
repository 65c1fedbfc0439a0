"""`novaspeech run` over many recordings into --out: results, report, and going on after whatever ended it."""

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
import torch

import novaspeech
from demo.standins import lay_out_as_cached
from novaspeech.command.main import main
from novaspeech.corpus.worker import Worker
from tests.conftest import ROOT, SPELLER
from tests.novaspeech.corpus.conftest import DONE, Run, command, content, done, report, statuses, until

TWO = ["talks/a.wav", "talks/e.wav"]


def test_the_results_are_those_of_python_and_the_report_tells_of_each(
    run: Run, talks: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--report", "reports/r.jsonl", inputs=["talks", "missing.wav"]) == 1
    said = capsys.readouterr().err
    loaded = novaspeech.load("emow2v", model=str(model))
    for name in ("a.wav", "b.flac", "sub/c.m4a", "sub/d ü.wav", "e.wav"):
        loaded(talks / name, ["arousal", "embedding"]).save(Path("plain", name).parent)
    plain = content("plain")
    assert content() == plain
    assert Path("reports/r.jsonl").read_bytes() == Path("out/_emow2v.report.jsonl").read_bytes()
    told = report()
    assert {row_id: row["status"] for row_id, row in told.items()} == DONE | {"missing": "failed"}
    assert sorted(name for row in told.values() for name in row["files"]) == sorted(plain)
    assert list(told["a"]["shapes"]) == ["arousal", "embedding"]
    assert told["a"]["shapes"]["embedding"][0] == told["a"]["shapes"]["arousal"][0] == round(told["a"]["seconds"] * 25)
    assert (told["a"]["rate"], told["a"]["attempts"], told["a"]["place"]) == (25, 1, str(talks / "a.wav"))
    assert told["cut"]["reason"].startswith(f"cut: {talks}/cut.flac is damaged")
    status = json.loads(Path("out/_emow2v.status.json").read_text())
    assert {key: status[key] for key in ("state", "recordings", "done", "failed", "ended_before")} == {
        "state": "ended", "recordings": 7, "done": 5, "failed": 2, "ended_before": 0,
    }  # fmt: skip
    assert "7 recordings, 0 of them ended before, 7 to do" in said
    assert said.index("novaspeech: ") < said.index(" on cpu, float32"), "what can be known before is said before"
    assert said.splitlines()[-4:] == [
        "done             5", "failed           2", *(f"  {told[name]['reason']}" for name in ("cut", "missing"))
    ]  # fmt: skip
    assert told["missing"]["reason"].startswith(f"{talks.parent}/missing.wav does not exist; ")


def test_what_failed_is_done_again_if_that_is_asked_for(run: Run, talks: Path) -> None:
    run()
    shutil.copy(talks / "b.flac", talks / "cut.flac")
    assert run() == 1
    assert statuses()["cut"] == "failed"
    before = report()
    assert run("--retry-failed") == 0
    assert statuses()["cut"] == "done"
    assert {row_id: row for row_id, row in report().items() if row_id != "cut"} == {
        row_id: row for row_id, row in before.items() if row_id != "cut"
    }


def test_a_dry_run_does_nothing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--dry-run") == 0
    assert "6 recordings, 0 of them ended before, 6 to do" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--stride", "100ms"), "milliseconds.stride ('40' there, '100' here)"),
        (("--set", "context=recording"), "options.context ('window' there, 'recording' here)"),
        (("--format", "npy", "--dtype", "float16"), "dtype ('float32' there, 'float16' here)"),
    ],
)
def test_another_way_at_the_same_place_is_refused_with_what_differs(
    run: Run, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    run(inputs=TWO)
    before = content()
    capsys.readouterr()
    assert run(*more) == 1
    line = capsys.readouterr().err
    assert line.startswith("novaspeech: out holds results of emow2v that were made in another way, which differs in ")
    assert said in line
    assert content() == before
    assert run("--overwrite", *more) == 1
    assert statuses() == DONE
    assert content() != before


def test_other_outputs_formats_and_modules_are_added_to_what_is_there(run: Run) -> None:
    for more in ((), ("--output", "valence"), ("--format", "npy")):
        assert run(*more, inputs=TWO) == 0
    assert main(["run", "wav2vec2_kws", *TWO, "--out", "out", "--set", f"model={SPELLER}", "--output", "words"]) == 0
    assert {name.removesuffix("~") for name in content() if name.startswith("a.")} == {
        "a.emow2v.arousal.annotation", "a.emow2v.arousal.npy", "a.emow2v.embedding.npy", "a.emow2v.embedding.stream",
        "a.emow2v.valence.annotation", "a.wav2vec2_kws.words.annotation",
    }  # fmt: skip


def test_another_model_at_the_same_place_is_another_way(
    run: Run, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(inputs=TWO)
    file, stamp = model / "config.json", (model / "config.json").stat()
    try:
        os.utime(file, (0, 0))
        assert run() == 1
    finally:
        os.utime(file, (stamp.st_atime, stamp.st_mtime))
    assert f"differs in files.{model} (" in capsys.readouterr().err


def test_a_model_of_the_hub_is_the_commit_that_was_there_when_the_job_began(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    snapshot = lay_out_as_cached("emow2v", tmp_path, "owner/name")
    commit = snapshot.rename(snapshot.with_name("a" * 40)).name
    (snapshot.parents[1] / "refs/main").write_text(commit)
    given = ("--set", "model=owner/name")
    assert run(*given, inputs=TWO) == 0
    assert json.loads(Path("out/.corpus/emow2v.json").read_text())["options"]["model"] == f"owner/name@{commit}"
    snapshot.with_name(commit).rename(snapshot.with_name("b" * 40))
    (snapshot.parents[1] / "refs/main").write_text("b" * 40)
    assert run(*given) == 1
    assert f"options.model ('owner/name@{commit}' there, 'owner/name@{'b' * 40}' here)" in capsys.readouterr().err
    assert run("--set", "model=owner/other", out="other") == 1
    assert "model 'owner/other' is not in " in capsys.readouterr().err


def test_shards_share_the_work(run: Run) -> None:
    run(out="whole")
    assert run("--shard", "1/2") in (0, 1)
    assert run("--shard", "2/2") in (0, 1)
    assert content() == content("whole")
    parts = [statuses(f"out/_emow2v.report.{part}-of-2.jsonl") for part in (1, 2)]
    assert [len(part) for part in parts] == [3, 3]
    assert parts[0] | parts[1] == DONE
    assert run() == 1
    assert statuses() == DONE


def test_numbers_for_numpy_in_half(run: Run) -> None:
    run("--format", "npy", out="whole")
    assert run("--format", "npy", "--dtype", "float16") == 1
    for name, data in content("whole").items():
        Path("one.npy").write_bytes(data)
        half, full = np.load(Path("out", name)), np.load("one.npy")
        assert (half.dtype, full.dtype, half.shape) == (np.float16, np.float32, full.shape)
        np.testing.assert_allclose(half, full, rtol=1e-3, atol=1e-6)
    assert sorted(content()) == sorted(content("whole"))
    assert set(report()["a"]["files"]) == {"a.emow2v.arousal.npy", "a.emow2v.embedding.npy"}


def test_manifests_name_the_results(run: Run, talks: Path) -> None:
    Path("m.jsonl").write_text('{"id": "anna/7", "audio_filepath": "talks/a.wav", "duration": 2}\n')
    assert run(inputs=["m.jsonl"]) == 0
    assert sorted(content()) == [
        "anna/7.emow2v.arousal.annotation", "anna/7.emow2v.arousal.annotation~",
        "anna/7.emow2v.embedding.stream", "anna/7.emow2v.embedding.stream~",
    ]  # fmt: skip
    assert run(inputs=["talks/a.wav"], out="plain") == 0
    assert (
        Path("out/anna/7.emow2v.embedding.stream~").read_bytes()
        == Path("plain/a.emow2v.embedding.stream~").read_bytes()
    )


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Makes the model raise something over the recording a."""

    def faulty(error: Exception) -> None:
        really = Worker._done

        def fail(self: Worker, group: Any) -> Any:
            if "a" in [record.row.id for record in group]:
                raise error
            return really(self, group)

        monkeypatch.setattr(Worker, "_done", fail)

    return faulty


def test_what_is_no_fault_of_a_recording_is_tried_again_and_three_times_are_enough(
    run: Run, faulty: Callable[[Exception], None], capsys: pytest.CaptureFixture[str]
) -> None:
    faulty(RuntimeError("CUDA error: an illegal memory access\nmore"))
    for attempt in (1, 2, 3):
        assert run() == 1
        line = next(line for line in capsys.readouterr().err.splitlines() if "CUDA" in line)
        assert line.startswith("novaspeech: ")
        assert line.endswith("talks/a.wav: RuntimeError: CUDA error: an illegal memory access")
        assert statuses() == DONE | {"a": "failed"}
        assert (report()["a"]["again"], report()["a"]["attempts"]) == (True, attempt)
    assert run() == 1
    row = report()["a"]
    assert row["reason"].startswith("given up: 3 processes ended over it, the last one on ")
    assert row["reason"].endswith(": RuntimeError: CUDA error: an illegal memory access")
    assert (row["again"], row["attempts"]) == (False, 3)


def test_three_in_a_row_end_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Worker, *more: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Worker, "_done", fail)
    assert run() == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("novaspeech: 3 recordings in a row came to no end, which is no fault of theirs; mend ")
    assert said.endswith("OSError: [Errno 28] No space left on device")
    assert sorted(statuses().values()) == ["failed"] * 3 + ["not begun"] * 3
    assert json.loads(Path("out/_emow2v.status.json").read_text())["state"] == "stopped"


def test_short_recordings_share_passes_and_one_that_is_at_fault_costs_the_others_nothing(
    run: Run, faulty: Callable[[Exception], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--together", "4", "--format", "npy") == 1
    assert run("--format", "npy", out="plain") == 1
    assert statuses() == DONE
    for file in Path("plain").rglob("*.npy"):
        np.testing.assert_allclose(np.load(Path("out", file.relative_to("plain"))), np.load(file), atol=1e-4)
    faulty(RuntimeError("CUDA error"))
    capsys.readouterr()
    assert run("--together", "4", "--format", "npy", out="other") == 1
    assert "RuntimeError: CUDA error" in capsys.readouterr().err
    assert statuses("other/_emow2v.report.jsonl") == DONE | {"a": "failed"}


def test_ctrl_c_is_no_attempt(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: Worker, *more: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)  # as a scheduler does before it kills
        time.sleep(10)

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "_done", stop)
        for _ in range(4):
            assert run() == 130
    assert run() == 1
    assert statuses() == DONE
    assert {row["attempts"] for row in report().values()} == {1}


def test_killed_at_any_moment_it_goes_on_and_leaves_nothing_in_part(run: Run, model: Path) -> None:
    """Three kills of a process of its own: while it begins, computes and writes; once of one that has others."""
    run(out="whole")
    threads = str(torch.get_num_threads())  # which decide how sums are rounded
    environment = os.environ | {"PYTHONPATH": str(ROOT / "modules"), "OMP_NUM_THREADS": threads}
    for ended, more in ((0, ()), (1, ("--jobs", "2")), (3, ())):
        process = subprocess.Popen([sys.executable, *command(model, *more)], stderr=subprocess.DEVNULL, env=environment)
        try:
            until(lambda: done() >= ended, 60)  # noqa: B023
            time.sleep(0.02)
        finally:
            process.kill()
            process.wait()
    assert run() == 1
    assert content() == content("whole")
    assert statuses() == DONE


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--shard", "0/2"), "--shard is '0/2'; it must be I/N with I from 1 to N, as 3/16"),
        (("--shard", "3"), "--shard is '3'; it must be I/N"),
        (("--shard", "1/2", "--engine", "ray"), "--engine ray hands out the work, as --shard and --jobs do; take one"),
        (("--jobs", "0"), "--jobs is 0; it must be 1 or more"),
        (("--workers-per-gpu", "0"), "--workers-per-gpu is 0; it must be 1 or more"),
        (("--together", "0"), "--together is 0; it must be 1 or more"),
        (("--dtype", "float16"), "--dtype float16 is for --format npy; NOVA's streams hold float32"),
        (("--set", "contxt=window"), "unknown option 'contxt'"),
        (("--output", "words"), "emow2v has no output 'words'; it has arousal, "),
        (("--input", "reference=a.wav"), "emow2v has no further input 'reference'; it has none"),
    ],
)
def test_wrong_commands_get_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    assert run(*more) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert not Path("out").exists()
