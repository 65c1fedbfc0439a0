"""DISCOVER's debug backend: jobs run inside the server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from demo.server import Server, ServerError, Status
from emow2v.export import export
from novaspeech.server.catalogue import module_names
from tests.conftest import ROOT
from tests.server.checks import check_request, with_standin
from tests.server.conftest import SEEDS, readme_request
from tests.server.nova_client import NovaClient
from w2v_bert_2.w2v_bert_2 import W2VBert2Options

Request = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, offline_hub: dict[str, str]) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("discover"), ROOT, environment=offline_hub) as running:
        yield running


@pytest.mark.parametrize("module", module_names())
def test_the_request_of_the_modules_own_readme(
    server: Server, seed_request: Request, standin_places: Mapping[str, Path], module: str
) -> None:
    check_request(server, with_standin(seed_request(module, module)), standin_places[module])


@pytest.mark.parametrize("file", sorted(SEEDS.glob("[!n]*.json")), ids=lambda file: str(file.stem))
def test_the_readme_posts_what_the_seed_posts(file: Path) -> None:
    seed, readme = json.loads(file.read_text()), readme_request(file.stem)
    assert [json.loads(request.pop("data")) for request in (seed, readme)] == 2 * [json.loads(seed_data(file))]
    assert seed == readme


def seed_data(file: Path) -> str:
    return str(json.loads(file.read_text())["data"])


def test_emow2v_by_onnxruntime(server: Server, seed_request: Request, small_emow2v: Path, tmp_path: Path) -> None:
    export(str(small_emow2v), "float32", tmp_path / "onnx")
    options = json.dumps({"backend": "onnx", "model": str(tmp_path / "onnx")})
    check_request(server, seed_request("emow2v", "onnx") | {"options": options}, tmp_path / "onnx")
    assert any("onnxruntime's CPUExecutionProvider" in line for line in server.output)


def test_novas_window_lists_every_module_with_its_options(server: Server) -> None:
    listed = NovaClient(server).trainers()
    assert sorted(listed) == module_names()
    assert listed["w2v_bert_2"][1]["model_option_string"] == W2VBert2Options.optstr()


def test_one_broken_session_does_not_stop_the_other(
    server: Server, make_request: Request, speech: Callable[..., Path], tmp_path: Path
) -> None:
    speech("good.wav")
    assert server.run(make_request("two", ["broken", "good"])) is Status.ERROR
    assert any(
        f"broken: {tmp_path}/broken.wav does not exist; give the path of an audio file" in line
        for line in server.output
    )
    assert (tmp_path / "good.stream~").stat().st_size == 50 * 64 * 4
    assert not list(tmp_path.glob("broken*"))


def test_wrong_options_end_the_job_with_a_line_in_its_log(server: Server, make_request: Request) -> None:
    assert server.run(make_request("options", ["s"], {"batch_size": "many"})) is Status.ERROR
    assert "option 'batch_size' is 'many'; it must be a whole number of at least 1" in server.log("options")


def test_novas_fields_and_older_options(
    server: Server, make_request: Request, speech: Callable[..., Path], tmp_path: Path
) -> None:
    speech("s.wav")
    request = make_request(
        "nova", ["s"], frameSize="40", stride="20ms", leftContext="960", rightContext="0", force="False"
    )
    del request["options"]
    assert server.run(request | {"optStr": "batch_size=10;device=cpu"}) is Status.FINISHED
    assert (tmp_path / "s.stream~").stat().st_size == 100 * 64 * 4
    assert server.run(request | {"jobID": "older", "optStr": "batch_size=0"}) is Status.ERROR
    assert "option 'batch_size' is 0" in server.log("older")


def test_a_port_that_is_taken_is_said_in_one_sentence(server: Server, tmp_path: Path) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    with (
        pytest.raises(ServerError, match=f"port {port} is taken by another program"),
        Server(tmp_path, ROOT, port=port),
    ):
        pass
    command = [sys.executable, "-m", "demo", "--out", str(tmp_path / "out"), "--port", str(port)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1] == f"demo: port {port} is taken by another program; name a free one, or none"
