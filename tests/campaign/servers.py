"""SIGKILL of a DISCOVER server in the midst of a job: what is on the disk, and what the next server makes of it."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import psutil

from demo.__main__ import make_request
from demo.server import Server, Status
from novaspeech.module.catalogue import load_trainer
from tests.campaign.base import ROOT, Kind, Problem, Section, World, until
from tests.campaign.outputs import Work, make_work

MODULE = "emow2v"
LIMIT = 120.0  # seconds for a job


def start_server(folder: Path) -> Server:
    """A server with a folder of its own for everything, not started yet."""
    (folder / "TMPDIR").mkdir(parents=True, exist_ok=True)
    places = {"HF_HOME": str(folder / "hf"), "TMPDIR": str(folder / "TMPDIR"), "HF_HUB_OFFLINE": "1"}
    return Server(folder, ROOT, environment=places)


def process_of(server: Server) -> psutil.Process:
    """The server's process."""
    port = server.url.rsplit(":", 1)[1]
    return next(child for child in psutil.Process().children() if port in child.cmdline())


def request_of(world: World, module: str, recording: Path, out: Path, job: str) -> dict[str, str]:
    """A request for all outputs of a module; files are called as `novaspeech run` calls them."""
    trainer = load_trainer(module)
    request = make_request(trainer, {"audio": recording}, out, world.options(module))
    entries = json.loads(request["data"])
    for entry in entries:
        if entry["type"] == "output":
            kind = Path(entry["uri"]).suffix
            entry["uri"] = str(out / f"{recording.stem}.{entry['id']}{kind}")
    return {**request, "jobID": job, "data": json.dumps(entries)}


class Servers(Section):
    """Each trial is a server that is killed and the one that is started after it, which the next trial kills."""

    name = "servers"
    count = 12

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._server: Server | None = None
        self._work: Work | None = None

    def __exit__(self, *error: object) -> None:
        if self._server:
            self._server.__exit__(None, None, None)

    def try_one(self, index: int) -> list[Problem]:
        chance = self.world.random(self.name, index)
        work = self._work = self._work or make_work(self.world, MODULE, self.folder)
        server = self._server or self._start()
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        work.lay_old(out)
        server.post(request_of(self.world, MODULE, work.recording, out, f"killed{index}"))
        moment = chance.uniform(0, 8)
        if index % 2:
            until(lambda: bool(work.strangers(out)), LIMIT, 0.0005)
            moment = chance.uniform(0, 0.03)
        time.sleep(moment)
        process_of(server).kill()
        server.__exit__(None, None, None)
        self._server = None
        label = f"server killed {moment:.2f} s after {'saving began' if index % 2 else 'the request'}"
        problems = [Problem(found.kind, f"{label}: {found.text}") for found in work.judge(out, may_be_absent=True)]
        server = self._start()
        status = server.run(request_of(self.world, MODULE, work.recording, out, f"after{index}"), LIMIT)
        if status is not Status.FINISHED or not work.is_new(out):
            same = "right" if work.is_new(out) else "wrong"
            said = server.output[-1:]
            problems.append(Problem(Kind.WRONG, f"{label}: the next job is {status.name}, its outputs {same}: {said}"))
        return problems

    def _start(self) -> Server:
        self._server = start_server(self.folder / "server").__enter__()
        return self._server
