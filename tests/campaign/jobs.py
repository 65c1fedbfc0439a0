"""Many jobs of one server, one after the other and eight at once: what it keeps of them, and whether all are right."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from demo.server import Server, Status
from tests.campaign.base import ROOT, Kind, Problem, Section, World, files_below, until
from tests.campaign.servers import process_of, request_of, start_server

MODULE = "w2v_bert_2"
WARM = 20  # jobs after which a server should not grow any more
AT_ONCE = 8
LIMIT = 120.0
MB_PER_JOB = 0.2
MB_ALLOWED = 20.0
THREADS_ALLOWED = 2


@dataclass(frozen=True)
class Use:
    """What a process holds."""

    megabytes: float
    threads: int
    descriptors: int
    files: int

    @classmethod
    def of(cls, process: psutil.Process, folder: Path) -> Use:
        """Of a server whose temporary files are below a folder."""
        files = sum(len(files_below(folder / name)) for name in ("tmp", "TMPDIR"))
        return cls(process.memory_info().rss / 2**20, process.num_threads(), process.num_fds(), files)

    def __str__(self) -> str:
        return (
            f"{self.megabytes:.0f} MB, {self.threads} threads, {self.descriptors} descriptors, "
            f"{self.files} temporary files"
        )


class Jobs(Section):
    """Each trial is one job; the eight at once come last."""

    name = "jobs"
    count = 200

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._recording = self.folder / "short.wav"
        source = ["-t", "1", "-i", str(ROOT / "demo" / "recording.flac"), "-ar", "16000"]
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *source, str(self._recording)], check=True)
        self._place = self.folder / "server"
        self._first: dict[str, bytes] = {}
        self._warm: tuple[int, Use] | None = None

    def __enter__(self) -> Section:
        self._server: Server = start_server(self._place).__enter__()
        self._process = process_of(self._server)
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(None, None, None)

    def try_one(self, index: int) -> list[Problem]:
        out = self._folder(f"job {index}")
        status = self._server.run(request_of(self.world, MODULE, self._recording, out, out.name), LIMIT)
        if index == WARM:
            self._warm = index, Use.of(self._process, self._place)
        return self._judge(out, status)

    def finish(self, tried: int) -> list[Problem]:
        problems = self._grown(tried)
        outs = [self._folder(f"at once {number}") for number in range(AT_ONCE)]
        for out in outs:
            self._server.post(request_of(self.world, MODULE, self._recording, out, out.name))
        until(lambda: all(self._server.status(out.name) > Status.RUNNING for out in outs), LIMIT, 0.2)
        for out in outs:
            problems += self._judge(out, self._server.status(out.name))
        time.sleep(1)
        self.notes.append(f"jobs: after {AT_ONCE} at once {Use.of(self._process, self._place)}")
        return problems

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder

    def _judge(self, out: Path, status: Status) -> list[Problem]:
        found = dict(files_below(out))
        self._first = self._first or found
        if status is Status.RUNNING:
            failed = self._server.failures()
            said = next((line for line in reversed(self._server.output) if "rror" in line), "")
            return [Problem(Kind.HANG, f"{out.name} still runs; {failed} failed; the last error: {said[:200]!r}")]
        if status is not Status.FINISHED:
            return [Problem(Kind.REFUSED, f"{out.name} ended with {status.name}: {self._server.output[-1:]}")]
        if found != self._first or len(found) != 2:
            return [Problem(Kind.WRONG, f"{out.name} gave other bytes than the first: {sorted(found)}")]
        return []

    def _grown(self, tried: int) -> list[Problem]:
        """What the server holds more of than when it was warm."""
        if self._warm is None or tried <= WARM + 1:
            return []
        at, warm = self._warm
        now, jobs = Use.of(self._process, self._place), tried - 1 - at
        self.notes.append(f"jobs: after the {at + 1}th {warm}; {jobs} jobs later {now}")
        faults = []
        if now.megabytes - warm.megabytes > MB_ALLOWED + MB_PER_JOB * jobs:
            faults.append(f"memory grew by {now.megabytes - warm.megabytes:.1f} MB")
        if now.threads - warm.threads > THREADS_ALLOWED:
            faults.append(f"{now.threads - warm.threads} threads more")
        if now.descriptors - warm.descriptors > jobs + 5:  # the host keeps one for each job's log
            faults.append(f"{now.descriptors - warm.descriptors} descriptors more")
        if now.files > warm.files:
            faults.append(f"{now.files - warm.files} temporary files more")
        return [Problem(Kind.LEFT, f"over {jobs} jobs: {fault}") for fault in faults]
