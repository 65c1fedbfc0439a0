"""NOVA-Server, DISCOVER's predecessor, whose packages cannot live beside DISCOVER's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.server import Server, Status
from tests.conftest import ROOT
from tests.server.checks import OPTIONS, check_request

Request = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, offline_hub: dict[str, str]) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("nova")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    environment = {**os.environ, "PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    wanted = ["hcai-nova-server==1.6.2", "hcai-nova-utils==1.6.8"]
    for module in ("emow2v", "wav2vec2_kws"):  # the others need nothing else
        wanted += ["-r", str(ROOT / "modules" / module / "requirements.txt")]
    subprocess.run([folder / "venv/bin/python", "-m", "pip", "install", "-q", *wanted], check=True, env=environment)
    command = folder / "venv" / "bin" / "nova-server"
    with Server(folder, ROOT, command=command, environment=offline_hub) as running:
        yield running


@pytest.mark.parametrize("module", ["byols", "emow2v", "w2v_bert_2", "wav2vec2_kws", "wav2vec2_sv"])
def test_the_request_of_the_modules_own_readme(server: Server, seed_request: Request, module: str) -> None:
    check_request(server, seed_request(module, module) | OPTIONS.get(module, {}))


def test_errors_are_ours_there_too(server: Server, seed_request: Request, tmp_path: Path) -> None:
    request = seed_request("w2v_bert_2", "missing", audio=tmp_path / "missing.wav")
    assert server.run(request) is Status.ERROR
    assert any(f"{tmp_path}/missing.wav does not exist; give the path" in line for line in server.output)
