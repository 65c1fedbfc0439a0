"""Real servers on loopback, people at them, and the requests of the seeds and of the modules' READMEs."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import mongomock
import pytest
import requests

import novaspeech
from demo.__main__ import inputs_of
from demo.server import Server
from demo.standins import lay_out, options_of
from novaspeech.module.catalogue import MODULES, load_trainer, module_names
from novaspeech.result import Result
from tests.conftest import ROOT
from tests.real_servers import mongo
from tests.real_servers.checks import trainer_of
from tests.real_servers.desk import Desk, furnished
from tests.real_servers.environments import install_nova_server
from tests.real_servers.nova_client import NovaClient
from wav2vec2_kws.standin import SMALL

SEEDS = ROOT / "tests" / "data" / "requests"


@pytest.fixture(scope="session")
def hub_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hf-home")


@pytest.fixture(scope="session")
def standin_places(hub_home: Path) -> Mapping[str, Path]:
    """Where the caches hold a stand-in for each module's published model; of wav2vec2_kws one that finds words."""
    places = {name: lay_out(name, hub_home) for name in module_names()}
    shutil.copytree(SMALL, places["wav2vec2_kws"], dirs_exist_ok=True)
    return places


@pytest.fixture(scope="session")
def offline_hub(hub_home: Path, standin_places: Mapping[str, Path]) -> dict[str, str]:
    """Environment in which the caches hold a stand-in for every published model, and no network is asked."""
    return {"HF_HUB_CACHE": str(hub_home / "hub"), "HF_ASSETS_CACHE": str(hub_home / "assets"), "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="session")
def nova_server_program(shared: Callable[..., Path]) -> Path:
    """The program, which all of pytest's processes share."""
    return shared("nova-server", install_nova_server) / "bin" / "nova-server"


@pytest.fixture(scope="session")
def nova_server(
    tmp_path_factory: pytest.TempPathFactory, nova_server_program: Path, offline_hub: dict[str, str]
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("nova")
    with Server(folder, ROOT, command=nova_server_program, environment=offline_hub) as running:
        yield running


@pytest.fixture(scope="session")
def discover_server(tmp_path_factory: pytest.TempPathFactory, offline_hub: dict[str, str]) -> Iterator[Server]:
    """DISCOVER with its debug backend: jobs run inside the server."""
    with Server(tmp_path_factory.mktemp("discover"), ROOT, environment=offline_hub) as running:
        yield running


@pytest.fixture(scope="session")
def discover(tmp_path_factory: pytest.TempPathFactory, offline_hub: dict[str, str]) -> Iterator[Desk]:
    documents: Any = mongomock.MongoClient()
    with (
        Server(tmp_path_factory.mktemp("discover-tls"), ROOT, environment=offline_hub, tls=True) as server,
        mongo.serve(documents, server.certificate) as port,
    ):
        yield furnished(Desk(NovaClient(server), documents, port))


@pytest.fixture(scope="session")
def older(
    tmp_path_factory: pytest.TempPathFactory, nova_server_program: Path, offline_hub: dict[str, str]
) -> Iterator[Desk]:
    """NOVA-Server, whose cml_dir is the folder `modules` itself: one folder in each trainer's path, not two."""
    documents: Any = mongomock.MongoClient()
    folder = tmp_path_factory.mktemp("nova-modules")
    with (
        Server(folder, MODULES, command=nova_server_program, environment=offline_hub) as server,
        mongo.serve(documents) as port,
    ):
        yield furnished(Desk(NovaClient(server), documents, port))


@pytest.fixture(scope="session", params=["discover", "older"])
def desk(request: pytest.FixtureRequest) -> Desk:
    found: Desk = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def by_python(standin_places: Mapping[str, Path]) -> Callable[[str], Result]:
    """Everything that a module finds in its session, without any server."""

    @cache
    def find(module: str) -> Result:
        audio, *further = inputs_of(load_trainer(module)).items()
        outputs = [entry.io_id for entry in load_trainer(module).outputs]
        options: dict[str, Any] = dict(options_of(module, standin_places[module]))
        return novaspeech.load(module, **options)(audio[1], outputs, inputs=dict(further))

    return find


def readme_request(module: str) -> dict[str, str]:
    """The form fields that the example in a module's README posts."""
    text = (MODULES / module / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"^### Request\n+```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    posted: dict[str, Any] = {}

    class Answer:
        text = ""

    def post(url: str, **fields: Any) -> Answer:
        posted.update(fields["data"])
        return Answer()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "post", post)
        exec(code, {})  # noqa: S102
    return posted


def seed_request_of(module: str) -> dict[str, str]:
    """The seed's own request, word for word; of modules that no seed has one for, their README's."""
    file = SEEDS / f"{module}.json"
    request: dict[str, str] = json.loads(file.read_text()) if file.is_file() else readme_request(module)
    return request


def placed(request: dict[str, str], folder: Path, audio: Path | None = None) -> dict[str, str]:
    """A seed's or README's request with nothing but its paths replaced: inputs of the demo, outputs in a folder."""
    text = request["data"]
    for input_id, file in inputs_of(trainer_of(request)).items():
        placeholder = "path/to/my/file.wav" if input_id == "audio" else f"path/to/my/{input_id}.wav"
        text = text.replace(placeholder, str(audio or file) if input_id == "audio" else str(file))
    return request | {"data": text.replace("path/to/my/", f"{folder}/")}


@pytest.fixture
def seed_request(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """`seed_request_of` with its paths replaced, and its job id, to tell jobs apart."""

    def make(name: str, job: str, audio: Path | None = None) -> dict[str, str]:
        return placed(seed_request_of(name), tmp_path, audio) | {"jobID": job}

    return make


@pytest.fixture
def make_request(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """A request for w2v_bert_2; the recording and the output of each session are named after it."""

    def make(
        job: str,
        sessions: list[str],
        options: dict[str, Any] | None = None,
        output_id: str = "embeddings",
        **fields: str,
    ) -> dict[str, str]:
        data = [
            {"src": "file:stream:audio", "type": "input", "id": "audio", "uri_template": f"{tmp_path}/{{session}}.wav"},
            {
                "src": "file:stream:SSIStream", "type": "output", "id": output_id,
                "uri_template": f"{tmp_path}/{{session}}.stream",
            },
        ]  # fmt: skip
        return {
            "jobID": job,
            "trainerFilePath": "modules\\w2v_bert_2\\w2v_bert_2.trainer",
            "data": json.dumps(data),
            "sessions": json.dumps(sessions),
            "options": json.dumps(options or {}),
        } | fields

    return make
