"""A corpus in a bucket, of a server that speaks S3 and fails now and then."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from novaspeech.corpus.store import sweep
from tests.conftest import ROOT
from tests.novaspeech.corpus.conftest import DONE, Run, command, content, statuses, until
from tests.novaspeech.corpus.flaky_s3 import Flaky, flaky_s3

# A process that is killed at its n-th step on the disk, while it has files on their way.
KILLED = """
import os, signal, sys, tempfile
from novaspeech.corpus.store import scratch

steps = iter(range(int(sys.argv[1])))

def step(event, _):
    if event in {"open", "os.mkdir", "os.remove", "os.rmdir"} and next(steps, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)

tempfile.gettempdir()  # it tries the folder out
sys.addaudithook(step)
with scratch() as folder:
    (folder / "a.wav").touch()
"""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, talks: Path) -> Iterator[tuple[fsspec.AbstractFileSystem, Flaky]]:
    """A bucket `lab` with the recordings in `talks`."""
    with flaky_s3(0.0) as (address, application):
        keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in {**keys, "AWS_ENDPOINT_URL": address}.items():
            monkeypatch.setenv(name, value)
        fsspec.filesystem("s3").clear_instance_cache()
        files = fsspec.filesystem("s3")
        if files.exists("lab"):  # of another test: moto keeps it
            files.rm("lab", recursive=True)
        files.mkdir("lab")
        files.put(str(talks), "lab/talks", recursive=True)
        yield files, application
        fsspec.filesystem("s3").clear_instance_cache()


def test_from_a_bucket_to_a_bucket_the_results_are_the_same(
    s3: tuple[fsspec.AbstractFileSystem, Flaky], run: Run, model: Path
) -> None:
    """Killed in the middle, too, while a twentieth of the answers fail."""
    files, server = s3
    run(out="whole")
    server.share = 0.05
    words = [sys.executable, *command(model, inputs=["s3://lab/talks"], out="s3://lab/out")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "modules"), "TMPDIR": str(Path.cwd())}
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, env=environment)
    try:
        until(lambda: bool(files.glob("lab/out/*.stream", refresh=True)), 60)
    finally:
        process.kill()
        process.wait()
    assert subprocess.run(words, stderr=subprocess.DEVNULL, env=environment).returncode == 1
    server.share, failed = 0.0, server.failed
    files.get("lab/out", "out", recursive=True)
    assert content() == content("whole")
    assert statuses() == DONE
    assert failed > 0
    assert not list(Path.cwd().glob("novaspeech-*")), "what was on its way is gone"


def test_what_was_on_its_way_goes_whenever_its_process_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    environment = os.environ | {"PYTHONPATH": str(ROOT / "modules"), "TMPDIR": str(tmp_path)}
    for step in range(1000):
        ended = subprocess.run([sys.executable, "-c", KILLED, str(step)], env=environment)
        sweep()
        assert not list(tmp_path.iterdir()), f"killed at step {step}"
        if ended.returncode == 0:
            break
    assert step > 4


def test_a_recording_that_is_gone_fails_and_no_more(s3: tuple[fsspec.AbstractFileSystem, Flaky], run: Run) -> None:
    s3[0].pipe_file("lab/m.csv", b"file_name\ntalks/e.wav\ntalks/gone.wav\n")
    assert run(inputs=["s3://lab/m.csv"]) == 1
    assert statuses() == {"talks/e": "done", "talks/gone": "failed"}


def test_a_model_in_a_bucket_is_brought_here_once_and_known_again(
    s3: tuple[fsspec.AbstractFileSystem, Flaky],
    run: Run,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files, _ = s3
    monkeypatch.setenv("HF_ASSETS_CACHE", str(Path("cache").absolute()))
    files.put(str(model), "lab/models/emow2v", recursive=True)
    told = ["--set", "model=s3://lab/models/emow2v"]
    assert run(*told, inputs=["talks/e.wav", "talks/a.wav"]) == 0
    run(out="whole", inputs=["talks/e.wav", "talks/a.wav"])
    assert content() == content("whole")
    [brought] = [folder.stat().st_mtime_ns for folder in Path("cache").rglob("emow2v")]
    assert run(*told, inputs=["talks/a.wav", "talks/b.flac"]) == 0
    assert [folder.stat().st_mtime_ns for folder in Path("cache").rglob("emow2v")] == [brought]
    files.pipe_file("lab/models/emow2v/config.json", (model / "config.json").read_bytes() + b" ")
    assert run(*told, inputs=["talks/a.wav", "talks/b.flac"]) == 1
    assert "differs in files.s3://lab/models/emow2v (" in capsys.readouterr().err
    assert run("--set", "model=s3://lab/models/nothing", out="other") == 1
    assert "s3://lab/models/nothing cannot be fetched" in capsys.readouterr().err
