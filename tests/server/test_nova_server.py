"""NOVA-Server, DISCOVER's predecessor, whose packages cannot live beside DISCOVER's."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from demo.server import Server, Status
from novaspeech.server.catalogue import module_names
from tests.conftest import ROOT
from tests.server.checks import check_request, with_standin

Request = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, offline_hub: dict[str, str]) -> Iterator[Server]:
    """NOVA-Server in an environment that sees this one's packages, and has those of its own that differ.

    That requirements.txt is all that a module needs, test_discover_venv.py shows.
    """
    folder = tmp_path_factory.mktemp("nova")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    (packages / "development.pth").write_text(sysconfig.get_path("purelib"))
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    wanted = ["hcai-nova-server==1.6.2", "hcai-nova-utils==1.6.8"]
    subprocess.run([str(python), "-m", "pip", "install", "-q", *wanted], check=True, env=environment)
    with Server(folder, ROOT, command=python.with_name("nova-server"), environment=offline_hub) as running:
        yield running


@pytest.mark.parametrize("module", module_names())
def test_the_request_of_the_modules_own_readme(
    server: Server, seed_request: Request, standin_places: Mapping[str, Path], module: str
) -> None:
    check_request(server, with_standin(seed_request(module, module)), standin_places[module], same_bytes=False)


def test_it_is_nova_utils_that_runs_there(server: Server) -> None:
    assert any("nova_utils" in line or "nova-server" in line.lower() for line in server.output), server.output[:20]


def test_errors_are_ours_there_too(server: Server, seed_request: Request, tmp_path: Path) -> None:
    request = seed_request("w2v_bert_2", "missing", audio=tmp_path / "missing.wav")
    assert server.run(request) is Status.ERROR
    assert any(f"{tmp_path}/missing.wav does not exist; give the path" in line for line in server.output)
