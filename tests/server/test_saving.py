"""What both servers leave on a full disk: the earlier output, whole, and a line that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from discover_utils.data.handler.file_handler import FileHandler

from demo.server import Server, Status
from tests.conftest import ROOT, small_disk

Request = Callable[..., dict[str, str]]


@pytest.fixture(params=["DISCOVER", "NOVA-Server"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    if request.param == "NOVA-Server":
        yield request.getfixturevalue("nova_server")
        return
    with Server(tmp_path / "server", ROOT, environment=request.getfixturevalue("offline_hub")) as running:
        yield running


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    with small_disk(tmp_path / "disk", "64k") as folder:
        yield folder


def test_an_earlier_output_outlives_a_full_disk(
    disk: Path, server: Server, make_request: Request, speech: Callable[..., Path]
) -> None:
    speech("s.wav", seconds=14)
    file, job = disk / "s.stream", f"full-{id(server)}"
    audio, output = json.loads(make_request(job, ["s"])["data"])
    audio["uri"], output["uri"] = audio.pop("uri_template").format(session="s"), str(file)
    del output["uri_template"]  # which NOVA-Server does not know
    request = make_request(job, ["s"]) | {"data": json.dumps([audio, output])}
    assert server.run(request | {"stride": "40ms", "frameSize": "40ms", "end": "4s"}) is Status.FINISHED
    before = FileHandler().load(file)
    assert before.data.shape == (100, 64)
    said = f"{file} cannot be written (only a part of it fitted): make room on the disk, or"
    assert server.run(request | {"jobID": f"{job}-2"}) is Status.ERROR  # 350 windows
    assert any(said in line for line in server.output)
    assert (FileHandler().load(file).data == before.data).all()
    assert sorted(entry.name for entry in disk.iterdir()) == ["s.stream", "s.stream~"]
