"""Jobs of DISCOVER's venv backend that are cancelled or killed: nothing goes on, and the next one is right."""

from __future__ import annotations

import shutil
import time

import requests

from benchmarks.hardships_parts.base import ROOT, Kind, Problem, Section, World, until
from benchmarks.hardships_parts.outputs import Work, make_work
from benchmarks.hardships_parts.servers import MODULE, request_of, start_server
from demo.server import Server, Status

INSTALL = 1500.0  # seconds
LIMIT = 180.0
SOON = 20.0  # seconds in which a cancelled job has to be gone


class Cancel(Section):
    """Each trial is a job that is cancelled, or whose process is killed, and one after it."""

    name = "cancel"
    count = 10

    def __init__(self, world: World) -> None:
        super().__init__(world)
        if not world.with_venv:
            self.skipped = "it installs an environment; --with-venv"
        self._work: Work | None = None

    def __enter__(self) -> Section:
        environment = {"PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
        self._server: Server = start_server(self.folder / "server", backend="venv", environment=environment).__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(None, None, None)

    def try_one(self, index: int) -> list[Problem]:
        work = self._work = self._work or self._first()
        chance = self.world.random(self.name, index)
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        work.lay_old(out)
        job = self._server.post(request_of(self.world, MODULE, work.recording, out, f"stopped{index}"))
        moment = chance.uniform(0, 1.1 * work.seconds)
        time.sleep(moment)
        label = f"{'killed' if index % 2 else 'cancelled'} {moment:.2f} s after the request"
        if index % 2:
            for process in self._server.children():
                process.kill()
        else:
            requests.post(f"{self._server.url}/cancel", data={"jobID": job}, timeout=30)
        problems = []
        if not until(lambda: self._server.status(job) not in (Status.WAITING, Status.RUNNING), SOON):
            problems.append(Problem(Kind.HANG, f"{label}: {self._server.status(job).name} {SOON:.0f} s later"))
        if not until(lambda: not self._server.children(), SOON):
            names = [process.name() for process in self._server.children()]
            problems.append(Problem(Kind.LEFT, f"{label}: {names} still run"))
        problems += [Problem(found.kind, f"{label}: {found.text}") for found in work.judge(out, may_be_absent=True)]
        after = request_of(self.world, MODULE, work.recording, out, f"after{index}")
        status = self._server.run(after, LIMIT)
        if status is not Status.FINISHED or not work.is_new(out):
            problems.append(Problem(Kind.WRONG, f"{label}: the next job is {status.name}"))
        return problems

    def _first(self) -> Work:
        """Installs the environment by a job, and says how long one takes from then on."""
        work = make_work(self.world, MODULE, self.folder)
        seconds = 0.0
        for job in ("install", "again"):
            out = self.folder / job
            out.mkdir()
            start = time.monotonic()
            status = self._server.run(request_of(self.world, MODULE, work.recording, out, job), INSTALL)
            seconds = time.monotonic() - start
            if status is not Status.FINISHED:
                raise RuntimeError(f"the first job is {status.name}: {self._server.log(job)[-300:]}")
        return Work(work.module, work.recording, work.words, work.old, work.new, seconds)
