"""One piece of work in a process of its own, which may hang, crash, be killed or leave things behind.

The processes are forked from one that has imported torch and transformers already: 0.1 s instead of 8.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from novaspeech.module.catalogue import module_names
from tests.campaign.base import ROOT, Kind, Problem

GRACE = 5.0  # seconds that a process's own children may need to end after it
_PRELOAD = ["torch._dynamo", "soundfile", "soxr", "novaspeech.command.run", "novaspeech.api"]
_PRELOAD += [f"transformers.models.{name}.modeling_{name}" for name in ("wav2vec2", "wav2vec2_bert", "wavlm")]
_OF_TORCH = "torchinductor_"  # a cache that torch keeps for each user, under the same name for ever


def prepare() -> None:
    """Sets the environment of all children; before the first."""
    # The process that is forked from starts with this path, not with ours.
    os.environ["PYTHONPATH"] = f"{ROOT / 'modules'}{os.pathsep}{ROOT}"
    os.environ.update({"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"})
    # A killed command cannot give back the lock of its progress bar; Python does, and complains of it.
    os.environ["PYTHONWARNINGS"] = "ignore:resource_tracker:UserWarning"
    multiprocessing.get_context("forkserver").set_forkserver_preload(
        [*_PRELOAD, *(f"{name}.{name}" for name in module_names())]
    )


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        code: exit status, negative for a signal; None if it was killed at its limit.
        value: what the work gave; None if it did not come to its end.
        printed: to standard output and standard error.
        left: names of processes and temporary files that outlived it.
    """

    code: int | None
    value: Any
    printed: str
    seconds: float
    left: list[str]

    def problems(self, what: str) -> list[Problem]:
        """What no child may do, whatever it was given."""
        found = []
        if self.code is None:
            found.append(Problem(Kind.HANG, f"{what}: no end after {self.seconds:.0f} s"))
        elif self.code < 0:
            found.append(Problem(Kind.CRASH, f"{what}: ended by signal {-self.code}"))
        if "Traceback (most recent call last)" in self.printed:
            last = self.printed.strip().splitlines()[-1]
            found.append(Problem(Kind.TRACEBACK, f"{what}: traceback: {last[:200]}"))
        if self.left:
            found.append(Problem(Kind.LEFT, f"{what}: left behind: {', '.join(self.left)}"))
        return found


class Child:
    """Work that has been started.

    Args:
        work: called with `arguments` in the child.
        folder: for what it prints and its temporary files; made anew.
        environment: added to the child's.
    """

    def __init__(
        self, work: Callable[..., Any], *arguments: Any, folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        self._folder = folder
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        self._receiver, sender = context.Pipe(duplex=False)
        settings = {"TMPDIR": str(folder / "tmp"), **(environment or {})}
        self._process = context.Process(target=_run, args=(sender, folder, settings, work, arguments), daemon=True)
        self._start = time.monotonic()
        self._process.start()
        sender.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._process.kill()

    def wait(self, limit: float) -> Ended:
        """Waits for its end, and kills it at the limit."""
        value = None
        with suppress(EOFError, OSError):
            if self._receiver.poll(limit):
                value = self._receiver.recv()
        self._process.join(max(0.1, self._start + limit - time.monotonic()))
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            self._process.join()
        seconds = time.monotonic() - self._start
        files = [file.name for file in (self._folder / "tmp").iterdir() if not file.name.startswith(_OF_TORCH)]
        left = [*self._processes(), *files]
        printed = (self._folder / "printed").read_text(errors="replace") if (self._folder / "printed").exists() else ""
        return Ended(code, value, printed, seconds, left)

    def _processes(self) -> list[str]:
        """Names of processes that it started and that do not end, which are ended here."""
        deadline = time.monotonic() + GRACE
        while (running := _of_session(self.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        names = []
        for process in running:
            with suppress(psutil.Error):
                names.append(f"process {process.name()}")
                process.kill()
        return names


def run_child(
    work: Callable[..., Any], *arguments: Any, folder: Path, limit: float, environment: Mapping[str, str] | None = None
) -> Ended:
    """Starts a child and waits for it."""
    return Child(work, *arguments, folder=folder, environment=environment).wait(limit)


def command(words: list[str], folder: str) -> int:
    """`novaspeech` with these words in a folder; its exit status."""
    from novaspeech.command.main import main

    os.chdir(folder)
    try:
        return main(words)
    except SystemExit as end:  # argparse
        return int(end.code or 0)


def errors_in(printed: str) -> tuple[list[str], list[str]]:
    """Lines in which a command says what is wrong, and lines after the first of them that are something else."""
    lines = [line for line in printed.splitlines() if line.strip()]
    first = next((number for number, line in enumerate(lines) if line.startswith("novaspeech: ")), len(lines))
    said = [line for line in lines if line.startswith("novaspeech: ")]
    return said, [line for line in lines[first:] if line not in said]


def _of_session(number: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            of_session = process.pid != number and os.getsid(process.pid) == number
            if of_session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _run(
    sender: Connection, folder: Path, environment: Mapping[str, str], work: Callable[..., Any], arguments: tuple[Any]
) -> None:
    os.setsid()  # so that what it starts can be told from others
    with (folder / "printed").open("wb") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.environ.update(environment)
    tempfile.tempdir = None  # asked for before the environment was this one
    value = work(*arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    sender.send(value)
