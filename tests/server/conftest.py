"""Real servers on loopback, and the requests of the seeds and of the modules' READMEs."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.__main__ import inputs_of
from demo.server import Server
from demo.standins import lay_out
from novaspeech.server.catalogue import MODULES, load_trainer, module_names
from tests.conftest import ROOT

SEEDS = ROOT / "tests" / "data" / "requests"


@pytest.fixture(scope="session")
def hub_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hf-home")


@pytest.fixture(scope="session")
def standin_places(hub_home: Path) -> Mapping[str, Path]:
    """Where the caches hold a stand-in for each module's published model."""
    return {name: lay_out(name, hub_home) for name in module_names()}


@pytest.fixture(scope="session")
def offline_hub(hub_home: Path, standin_places: Mapping[str, Path]) -> dict[str, str]:
    """Environment in which the caches hold a stand-in for every published model, and no network is asked."""
    return {"HF_HUB_CACHE": str(hub_home / "hub"), "HF_ASSETS_CACHE": str(hub_home / "assets"), "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="session")
def nova_server_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NOVA-Server in an environment that sees this one's packages, and has those of its own that differ.

    All of pytest's processes share it. That requirements.txt is all that a module needs, test_discover_venv.py shows.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    python = folder / "nova-server" / "bin" / "python"
    with (folder / "nova-server.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not lock.tell():
            _install_nova_server(python)
            lock.write("made")
    return python.with_name("nova-server")


def _install_nova_server(python: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    (packages / "development.pth").write_text(sysconfig.get_path("purelib"))
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    wanted = ["hcai-nova-server==1.6.2", "hcai-nova-utils==1.6.8"]
    subprocess.run([str(python), "-m", "pip", "install", "-q", *wanted], check=True, env=environment)


@pytest.fixture(scope="session")
def nova_server(
    tmp_path_factory: pytest.TempPathFactory, nova_server_program: Path, offline_hub: dict[str, str]
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("nova")
    with Server(folder, ROOT, command=nova_server_program, environment=offline_hub) as running:
        yield running


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


@pytest.fixture
def seed_request(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """`seed_request_of` with nothing but its paths replaced (and its job id, to tell jobs apart)."""

    def make(name: str, job: str, audio: Path | None = None) -> dict[str, str]:
        request = seed_request_of(name)
        text = request["data"]
        for input_id, file in inputs_of(load_trainer(name)).items():
            placeholder = "path/to/my/file.wav" if input_id == "audio" else f"path/to/my/{input_id}.wav"
            text = text.replace(placeholder, str(audio or file) if input_id == "audio" else str(file))
        return request | {"jobID": job, "data": text.replace("path/to/my/", f"{tmp_path}/")}

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
