"""Starts a real DISCOVER or NOVA server on loopback and talks to it as NOVA does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path
from types import TracebackType

import psutil
import requests


class Status(IntEnum):
    """What /job_status answers."""

    WAITING = 0
    RUNNING = 1
    FINISHED = 2
    ERROR = 3
    CANCELLED = 4


# In the debug backend a job with a failed session leaves its thread by exit(1) and its status RUNNING for ever.
_FAILED_SILENTLY = "Processing job encountered errors"


class ServerError(RuntimeError):
    """The server did not start, or a job did not end."""


class Server:
    """A server that runs while the `with` block does.

    Args:
        folder: for its data, cache, temporary files and logs.
        modules: the folder that holds the modules (the server's cml_dir).
        backend: "debug" (jobs run in the server) or "venv" (each module in an environment of its own).
        command: the program: discover or nova-server, of the environment that runs this by default.
        environment: variables added to the server's.
        port: on loopback; None takes a free one.
        echo: called with each line that the server prints.
    """

    def __init__(
        self,
        folder: Path,
        modules: Path,
        *,
        backend: str = "debug",
        command: Path | None = None,
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        self.folder = folder
        self.output: list[str] = []
        self._modules = modules
        self._backend = backend
        self._command = command or Path(sys.executable).parent / "discover"
        self._environment = dict(environment or {})
        self._port = port or _free_port()
        self._echo = echo

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Server:
        if _in_use(self._port):
            raise ServerError(f"port {self._port} is taken by another program; name a free one, or none")
        places = {name: self.folder / name for name in ("data", "cache", "tmp", "log")}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        arguments = ["--host", "127.0.0.1", "--port", str(self._port), "--backend", self._backend]
        arguments += ["--cml_dir", str(self._modules.resolve())]
        arguments += [word for name, place in places.items() for word in (f"--{name}_dir", str(place.resolve()))]
        self._process = subprocess.Popen(
            [str(self._command), *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._wait_until_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)

    def post(self, request: Mapping[str, str]) -> str:
        """Sends a request to /process and gives its job id."""
        self._failures_before = self._failures()
        answer = requests.post(f"{self.url}/process", data=request, timeout=30)
        answer.raise_for_status()
        return request["jobID"]

    def status(self, job: str) -> Status:
        """The state of a job."""
        return Status(requests.post(f"{self.url}/job_status", data={"jobID": job}, timeout=30).json()["status"])

    def log(self, job: str) -> str:
        """The log of a job; in the debug backend what the modules print is in `output` instead."""
        return str(requests.post(f"{self.url}/log", data={"jobID": job}, timeout=30).json()["message"])

    def children(self) -> list[psutil.Process]:
        """The server's own processes: in the venv backend, the job that runs."""
        return list(psutil.Process(self._process.pid).children(recursive=True))

    def wait(self, job: str, seconds: float = 600) -> Status:
        """Waits for the end of a job that was posted, the newest of this server."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = self.status(job)
            if status not in (Status.WAITING, Status.RUNNING):
                return status
            if self._backend == "debug" and self._failures() > self._failures_before:
                return Status.ERROR
            if self._process.poll() is not None:
                raise ServerError(f"the server ended with {self._process.returncode}: {self._last_words()}")
            time.sleep(0.1)
        raise ServerError(f"job {job} is still {self.status(job).name} after {seconds:.0f} s: {self._last_words()}")

    def run(self, request: Mapping[str, str], seconds: float = 600) -> Status:
        """Posts a request and waits for its end."""
        return self.wait(self.post(request), seconds)

    def _failures(self) -> int:
        return sum(_FAILED_SILENTLY in line for line in self.output)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output.append(line.rstrip("\n"))
            if self._echo:
                self._echo(self.output[-1])

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            if _in_use(self._port):
                return
            time.sleep(0.1)
        self.__exit__(None, None, None)
        raise ServerError(f"{self._command.name} did not start on port {self._port}: {self._last_words()}")

    def _last_words(self) -> str:
        return " | ".join(line.strip() for line in self.output[-3:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
