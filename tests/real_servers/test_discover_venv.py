"""DISCOVER's venv backend: the server makes the module's own environment, and each job is a process in it."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile

from demo.server import Server, Status
from tests.conftest import ROOT, SPEECH
from tests.novaspeech.audio.test_recording import broken_files
from tests.real_servers.checks import check_request

Request = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, offline_hub: dict[str, str]) -> Iterator[Server]:
    environment = offline_hub | {"PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
    # Jobs compile only what they import, the first one for all; of this switch of pip 0 means yes.
    environment |= {"PIP_NO_COMPILE": "0", "PYTHONDONTWRITEBYTECODE": ""}
    folder = tmp_path_factory.mktemp("discover-venv")
    with Server(folder, ROOT, backend="venv", environment=environment) as running:
        yield running
    shutil.rmtree(folder / "cache", ignore_errors=True)  # gigabytes


def test_the_seeds_request_word_for_word(
    server: Server, seed_request: Request, standin_places: Mapping[str, Path]
) -> None:
    check_request(server, seed_request("w2v_bert_2", "seed"), standin_places["w2v_bert_2"])
    assert "dummy_session: 804 of 804 windows (100%)" in server.log("seed")
    jobs = requests.get(f"{server.url}/job_status_all", timeout=30).json()
    assert [job["progress"] for job in jobs if job["job_key"] == "seed"] == ["dummy_session 100%"]


def test_what_cannot_be_read_gets_its_line_and_the_rest_goes_on(
    server: Server, make_request: Request, speech: Callable[..., Path], tmp_path: Path
) -> None:
    broken = broken_files(tmp_path, speech)
    soundfile.write(tmp_path / "short.wav", np.zeros(320), 16000)
    speech("good.wav")
    sessions = [path.stem for path, _ in broken.values()]
    assert server.run(make_request("broken", [*sessions, "short", "good"])) is Status.ERROR
    lines = server.log("broken").splitlines()
    said = {path.stem: message for path, message in broken.values()}
    said["short"] = "0.020 s of audio are shorter than one step of 40 ms"
    for session, message in said.items():
        assert any(f"Processor exited with error: '{session}: " in line and message in line for line in lines), session
    assert sorted(path.name for path in tmp_path.glob("*.stream*")) == ["good.stream", "good.stream~"]


def test_killed_half_way_and_run_again(
    server: Server, make_request: Request, tmp_path: Path, speech: Callable[..., Path]
) -> None:
    command = ["ffmpeg", "-v", "error", "-stream_loop", "200", "-i", str(SPEECH), "-c:a", "pcm_s16le"]
    subprocess.run([*command, str(tmp_path / "long.wav")], check=True)
    job = server.post(make_request("killed", ["long"]))
    deadline = time.monotonic() + 120
    while " windows (" not in server.log(job) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert server.status(job) is Status.RUNNING
    for process in server.children():
        process.kill()
    assert server.wait(job) is Status.ERROR
    assert not list(tmp_path.glob("long.stream*"))
    (tmp_path / "long.stream").write_text("<stream><info")  # as if killed while the host was writing
    slashes = {"trainerFilePath": "modules/w2v_bert_2/w2v_bert_2.trainer"}
    assert server.run(make_request("again", ["long"], end="4s") | slashes) is Status.FINISHED
    assert (tmp_path / "long.stream~").stat().st_size == 100 * 64 * 4
