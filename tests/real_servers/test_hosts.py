"""Every host alike, with files: DISCOVER's debug and venv backends, and NOVA-Server, DISCOVER's predecessor."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from demo.__main__ import main
from demo.server import Server, ServerError, Status
from novaspeech.module.catalogue import MODULES, module_names
from tests.conftest import ROOT, SYNTHETIC
from tests.real_servers.checks import check_files, check_request, files_by_python, with_everything, with_standin
from tests.real_servers.conftest import SEEDS, placed, readme_request, seed_request_of
from tests.real_servers.environments import lay_out_environment

Request = Callable[..., dict[str, str]]

# The keywords that the seed's request names are said there.
WORDS = {"audio": SYNTHETIC / "words.flac", "transcript": SYNTHETIC / "words.txt"}
INSTALLED = "w2v_bert_2"  # test_discover_venv.py has pip install its environment, and compares with Python as well


@pytest.fixture(scope="module")
def venv_server(tmp_path_factory: pytest.TempPathFactory, offline_hub: dict[str, str]) -> Iterator[Server]:
    """DISCOVER's venv backend with an environment for each module but one; its cml_dir is the folder `modules`."""
    folder = tmp_path_factory.mktemp("discover-venv")
    made = [lay_out_environment(name, folder / "cache") for name in module_names() if name != INSTALLED]
    with Server(folder, MODULES, backend="venv", environment=offline_hub) as running:
        yield running
    assert sorted((folder / "cache" / "venvs").iterdir()) == made


@pytest.fixture(scope="module")
def hosts(discover_server: Server, venv_server: Server, nova_server: Server) -> Mapping[str, Server]:
    return {"debug": discover_server, "venv": venv_server, "NOVA-Server": nova_server}


@pytest.mark.parametrize("module", module_names())
def test_every_host_writes_the_bytes_that_python_writes(
    hosts: Mapping[str, Server], standin_places: Mapping[str, Path], tmp_path: Path, module: str
) -> None:
    """The seed's request, else that of the module's README, with all other outputs besides.

    Only the trainer's path is another one at the venv backend's server, whose cml_dir lies a folder deeper.
    """
    servers = {name: server for name, server in hosts.items() if (name, module) != ("venv", INSTALLED)}
    requests = {}
    for name, server in servers.items():
        folder = tmp_path / name
        folder.mkdir()
        further = WORDS if module == "wav2vec2_kws" else {}
        request = with_everything(placed(seed_request_of(module), folder, further.get("audio")), folder, further)
        requests[name] = with_standin(request) | {"jobID": module}
        path = f"{module}\\{module}.trainer" if name == "venv" else request["trainerFilePath"]
        server.post(requests[name] | {"trainerFilePath": path})
    ours = files_by_python(requests["debug"], standin_places[module], tmp_path)
    for name, server in servers.items():
        status, said = server.wait(module), "\n".join(server.output[-20:])
        assert status is Status.FINISHED, f"{name}: {said}"
        check_files(requests[name], ours)


@pytest.mark.parametrize("file", sorted(SEEDS.glob("[!n]*.json")), ids=lambda file: str(file.stem))
def test_the_readme_posts_what_the_seed_posts(file: Path) -> None:
    seed, readme = json.loads(file.read_text()), readme_request(file.stem)
    assert [json.loads(request.pop("data")) for request in (seed, readme)] == 2 * [json.loads(seed_data(file))]
    assert seed == readme


def seed_data(file: Path) -> str:
    return str(json.loads(file.read_text())["data"])


@pytest.mark.parametrize(
    ("module", "context", "backend"), [("emow2v", "window", "onnx"), ("w2v_bert_2", "recording", "torch")]
)
def test_contexts_and_backends_by_option(
    discover_server: Server,
    nova_server: Server,
    models: Mapping[str, Path],
    standin_places: Mapping[str, Path],
    exported: Callable[..., Path],
    tmp_path: Path,
    module: str,
    context: str,
    backend: str,
) -> None:
    """What Python gives, which tests/novaspeech/test_export.py has of all; in short chunks: there are several."""
    model = standin_places[module]
    options = {"context": context, "chunk": "2", "overlap": "0.5", "backend": backend}
    if backend == "onnx":
        model = exported(module, models[module])
        options["model"] = str(model)
    asked = placed(seed_request_of(module), tmp_path) | {"options": json.dumps(options)}
    server = nova_server if context == "window" else discover_server
    check_request(server, with_everything(asked, tmp_path), model)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": "many"}, "option 'batch_size' is 'many'; it must be a whole number of at least 1"),
        (
            {"speed": 2},
            "unknown option 'speed'; this module's options are model, context, chunk, overlap, backend, device",
        ),
    ],
)
def test_wrong_options_end_the_job_with_a_line_in_its_log(
    discover_server: Server, make_request: Request, options: dict[str, Any], said: str
) -> None:
    assert discover_server.run(make_request("options", ["s"], options)) is Status.ERROR
    assert said in discover_server.log("options")


def test_a_port_that_is_taken_is_said_in_one_sentence(
    discover_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = int(discover_server.url.rsplit(":", 1)[1])
    with (
        pytest.raises(ServerError, match=f"port {port} is taken by another program"),
        Server(tmp_path, ROOT, port=port),
    ):
        pass
    monkeypatch.setattr(sys, "argv", ["demo", "--out", str(tmp_path / "out"), "--port", str(port)])
    assert main() == 1
    said = f"demo: port {port} is taken by another program; name a free one, or none"
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_it_is_nova_utils_that_runs_there(nova_server: Server) -> None:
    assert any("nova_utils" in line or "nova-server" in line.lower() for line in nova_server.output)


def test_errors_are_ours_there_too(nova_server: Server, seed_request: Request, tmp_path: Path) -> None:
    request = seed_request("w2v_bert_2", "missing", audio=tmp_path / "missing.wav")
    assert nova_server.run(request) is Status.ERROR
    assert any(f"{tmp_path}/missing.wav does not exist; give the path" in line for line in nova_server.output)
