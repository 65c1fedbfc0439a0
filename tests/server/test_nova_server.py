"""NOVA-Server, DISCOVER's predecessor, whose packages cannot live beside DISCOVER's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from demo.server import Server, Status
from novaspeech.server.catalogue import module_names
from tests.server.checks import check_request, with_standin

Request = Callable[..., dict[str, str]]


@pytest.fixture
def server(nova_server: Server) -> Server:
    return nova_server


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
