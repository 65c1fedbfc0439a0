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
from typing import Any

import psutil
import requests


class Status(IntEnum):
    """What /job_status answers."""

    WAITING = 0
    RUNNING = 1
    FINISHED = 2
    ERROR = 3
    CANCELLED = 4


_HOST = "127.0.0.1"

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
        tls: answers https only, with a certificate made here, as NOVA wants it of DISCOVER; NOVA-Server cannot.
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
        tls: bool = False,
    ) -> None:
        self.folder = folder
        self.output: list[str] = []
        self._modules = modules
        self._backend = backend
        self._command = command or Path(sys.executable).parent / "discover"
        self._environment = dict(environment or {})
        self._port = port or _free_port()
        self._echo = echo
        self.certificate = (folder / "discover_cert.pem").resolve() if tls else None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{'https' if self.certificate else 'http'}://{_HOST}:{self._port}"

    def __enter__(self) -> Server:
        if _in_use(self._port):
            raise ServerError(f"port {self._port} is taken by another program; name a free one, or none")
        places = {name: self.folder / name for name in ("data", "cache", "tmp", "log")}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        arguments = ["--host", _HOST, "--port", str(self._port), "--backend", self._backend]
        if self.certificate:
            arguments += ["--use_tls"]
            self._environment |= make_certificate(self.certificate)
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
        self._failures_before = self.failures()
        self._ask("process", request)
        return request["jobID"]

    def status(self, job: str) -> Status:
        """The state of a job."""
        return Status(self._ask("job_status", {"jobID": job})["status"])

    def log(self, job: str) -> str:
        """The log of a job; in the debug backend what the modules print is in `output` instead."""
        return str(self._ask("log", {"jobID": job})["message"])

    def _ask(self, path: str, fields: Mapping[str, str]) -> Any:
        verify = str(self.certificate) if self.certificate else True
        answer = requests.post(f"{self.url}/{path}", data=fields, timeout=30, verify=verify)
        answer.raise_for_status()
        return answer.json()

    def failures(self) -> int:
        """How many jobs of the debug backend have failed silently so far."""
        return sum(_FAILED_SILENTLY in line for line in self.output)

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
            if self._backend == "debug" and self.failures() > self._failures_before:
                return Status.ERROR
            if self._process.poll() is not None:
                raise ServerError(f"the server ended with {self._process.returncode}: {self._last_words()}")
            time.sleep(0.1)
        raise ServerError(f"job {job} is still {self.status(job).name} after {seconds:.0f} s: {self._last_words()}")

    def run(self, request: Mapping[str, str], seconds: float = 600) -> Status:
        """Posts a request and waits for its end."""
        return self.wait(self.post(request), seconds)

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


def make_certificate(place: Path) -> dict[str, str]:
    """Makes a self-signed certificate, its key beside it, with the command that DISCOVER recommends.

    Returns:
        The environment in which DISCOVER finds both.
    """
    key = place.with_suffix(".key")
    place.parent.mkdir(parents=True, exist_ok=True)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", str(key), "-out", str(place)]
    command += ["-days", "365", "-nodes", "-subj", f"/CN={_HOST}"]
    command += ["-addext", f"subjectAltName=DNS:localhost,IP:127.0.0.1,IP:{_HOST}"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise ServerError("openssl is missing, which makes the certificate; install it first") from None
    return {"DISCOVER_SSL_CERT": str(place), "DISCOVER_SSL_KEY": str(key)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
