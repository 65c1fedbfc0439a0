"""Work on this machine: in this process, or in several, each with the model and a share of the cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from novaspeech.corpus.crew import Member, hand_out
from novaspeech.corpus.plan import Plan
from novaspeech.corpus.record import Ended
from novaspeech.corpus.rows import Row
from novaspeech.corpus.worker import Events, Worker
from novaspeech.errors import NovaspeechError

_PATIENCE_S = 60  # that a stopped process has to leave nothing half done
_THREADS = "OMP_NUM_THREADS"  # torch's, and through it onnxruntime's


def run_here(rows: Sequence[Row], plan: Plan, events: Events) -> Generator[Ended, None, None]:
    """Has rows done in this process. Raises OptionError or WeightsError if the model cannot be had."""
    with closing(Worker(plan, events)) as worker:
        for group in plan.groups(rows):
            yield from worker.run(group)


def run_in_processes(rows: Sequence[Row], plan: Plan, events: Events, jobs: int) -> Generator[Ended, None, None]:
    """Has rows done in processes of their own. Raises NovaspeechError if the model cannot be had."""

    def ready(crew: Sequence[_Process]) -> list[_Process]:
        by_end = {process.messages: process for process in crew}
        return [by_end[end] for end in wait(list(by_end))]  # type: ignore[index]

    with _threads_each(jobs):
        yield from hand_out(rows, plan, events, lambda tells: _Process(plan, tells=tells), ready, jobs)


class _Process(Member):
    """A process of this machine, which speaks through the pipe `messages`.

    Args:
        tells: whether its lines about loading the model, which are the same in each, are to be seen.
    """

    def __init__(self, plan: Plan, *, tells: bool) -> None:
        super().__init__()
        context = multiprocessing.get_context("spawn")  # a fork would share torch's threads, which do not survive it
        self.messages, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(plan, theirs, tells), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, rows: list[Row]) -> None:
        self.rows, self.idle = list(rows), False
        with suppress(OSError):  # it has just ended, as `listen` will find
            self.messages.send(rows)

    def listen(self, events: Events) -> Iterator[Ended]:
        try:
            kind, content = self.messages.recv()
        except (EOFError, ConnectionError):
            self._process.join(_PATIENCE_S)
            self.ended = f"a process ended with {self._process.exitcode}, maybe for lack of memory,"
            return
        if kind == "error":
            raise content
        if kind == "log":
            events.log(content)
        elif kind == "progress":
            events.progress(*content)
        elif kind == "idle":
            self.loaded = self.idle = True
        elif kind == "ended":
            self.rows = [row for row in self.rows if row.id != content.id]
            yield content

    def stop(self) -> None:
        self.messages.close()  # it ends when it next speaks to it

    def join(self) -> None:
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()


class _Stopped(BaseException):
    """Nobody listens any more."""


class _Messages:
    """The events of a process, sent to the one that started it."""

    def __init__(self, pipe: Connection[Any, Any], *, tells: bool) -> None:
        self._pipe, self.tells = pipe, tells

    def log(self, line: str) -> None:
        if self.tells:
            self.send("log", line)

    def progress(self, row_id: str, share: float) -> None:
        self.send("progress", (row_id, share))

    def send(self, kind: str, content: object = None) -> None:
        try:
            self._pipe.send((kind, content))
        except OSError as error:
            raise _Stopped from error


def _work(plan: Plan, pipe: Connection[Any, Any], tells: bool) -> None:
    """The loop of a process. The one that started it takes signals, and closes the pipe."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    messages = _Messages(pipe, tells=tells)
    with suppress(EOFError, ConnectionError, _Stopped), closing(Worker(plan, messages)) as worker:
        try:
            worker.load()
        except NovaspeechError as error:
            messages.send("error", error)
            return
        messages.tells = True
        messages.send("idle")
        while True:
            for ended in worker.run(pipe.recv()):
                messages.send("ended", ended)
            messages.send("idle")


@contextmanager
def _threads_each(jobs: int) -> Iterator[None]:
    """Starts processes with their share of the cores, inside; what the user set is left alone."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = before or str(max(1, cores() // jobs))
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on Windows and macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
