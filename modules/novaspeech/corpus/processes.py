"""Work on this machine: in this process, or in several, each with the model and a share of the cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from novaspeech.corpus.ended import Ended
from novaspeech.corpus.plan import Plan
from novaspeech.corpus.record import Record
from novaspeech.corpus.report import Events
from novaspeech.corpus.rows import Row
from novaspeech.corpus.store import Store
from novaspeech.corpus.worker import Worker
from novaspeech.errors import NovaspeechError, WeightsError

_PATIENCE_S = 60  # that a stopped process has to leave nothing half done
_THREADS = "OMP_NUM_THREADS"  # torch's, and through it onnxruntime's


def run_here(rows: Sequence[Row], plan: Plan, events: Events) -> Generator[Ended, None, None]:
    """Has rows done in this process. Raises OptionError or WeightsError if the model cannot be had."""
    worker = Worker(plan, events)
    for group in plan.groups(rows):
        yield from worker.run(group)


def run_in_processes(rows: Sequence[Row], plan: Plan, events: Events, jobs: int) -> Generator[Ended, None, None]:
    """Has rows done in processes of their own. What one has in hand that dies is tried again by another in its place.

    Raises:
        NovaspeechError: the model cannot be had, or a process died while it loaded it.
    """
    waiting, deaths = deque(plan.groups(rows)), Counter[str]()
    with _threads_each(jobs), _ended_at_last() as crew:
        crew += [_Process(plan, tells=not number) for number in range(min(jobs, len(waiting)))]
        while waiting or any(process.rows for process in crew):
            ready = wait([process.messages for process in crew])
            for process in [one for one in crew if one.messages in ready]:
                yield from process.listen(events)
                if process.ended:
                    crew.remove(process)
                    for row, ended in _after_death(process, plan, deaths):
                        waiting.extend([[row]] if ended.again else [])
                        if len(process.rows) == 1 or not ended.again:  # of several nobody knows which was at fault
                            yield ended
                    crew += [_Process(plan, tells=False)] if waiting else []
                elif process.loaded and waiting and not process.rows:
                    process.give(waiting.popleft())


class _Process:
    """A process of this machine, which speaks through the pipe `messages`.

    Args:
        tells: whether its lines about loading the model, which are the same in each, are to be seen.

    Attributes:
        rows: what it has in hand.
        loaded: whether it has its model.
        ended: how it has ended; "" if it has not.
    """

    def __init__(self, plan: Plan, *, tells: bool) -> None:
        self.rows: list[Row] = []
        self.loaded, self.ended, self._tells = False, "", tells
        context = multiprocessing.get_context("spawn")  # a fork would share torch's threads, which do not survive it
        self.messages, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(plan, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, rows: list[Row]) -> None:
        """Hands over rows."""
        self.rows = rows
        with suppress(OSError):  # it has just ended, as `listen` will find
            self.messages.send(rows)

    def listen(self, events: Events) -> Iterator[Ended]:
        """Takes a message; raises NovaspeechError if it cannot have the model."""
        try:
            kind, content = self.messages.recv()
        except (EOFError, ConnectionError):
            self.join()
            self.ended = f"a process ended with {self._process.exitcode}, maybe for lack of memory,"
            return
        if kind == "error":
            raise content
        if kind == "log" and (self._tells or self.loaded):
            events.log(content)
        elif kind == "progress":
            events.progress(*content)
        elif kind == "loaded":
            self.loaded = True
        elif kind == "ended":
            self.rows = [row for row in self.rows if row.id != content.id]
            yield content

    def join(self) -> None:
        """Waits for its end."""
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()


@contextmanager
def _ended_at_last() -> Iterator[list[_Process]]:
    """A list of processes, inside; at its end all have ended."""
    crew: list[_Process] = []
    try:
        yield crew
    finally:
        for process in crew:
            process.messages.close()  # it ends when it next speaks
        for process in crew:
            process.join()


def _after_death(process: _Process, plan: Plan, deaths: Counter[str]) -> Iterator[tuple[Row, Ended]]:
    """What a process had in hand, with the end of each; some are tried again."""
    if not process.loaded:
        raise WeightsError(f"{process.ended} while it loaded the model; take fewer --jobs")
    for row in process.rows:
        deaths[row.id] += 1
        record = Record(row, plan, Store(plan.out))
        known = record.ended()
        again = known or record.fault(process.ended, deaths=deaths[row.id])
        yield row, known or record.given_up() or again


class _Messages(Events):
    """The events of a process, sent to the one that started it."""

    def __init__(self, pipe: Connection[Any, Any]) -> None:
        self._pipe = pipe

    def log(self, line: str) -> None:
        self.send("log", line)

    def progress(self, row_id: str, share: float) -> None:
        self.send("progress", (row_id, share))

    def send(self, kind: str, content: object = None) -> None:
        """Sends a message, and ends the process if nobody listens any more."""
        try:
            self._pipe.send((kind, content))
        except OSError as error:
            raise SystemExit from error


def _work(plan: Plan, pipe: Connection[Any, Any]) -> None:
    """The loop of a process. The one that started it takes signals, and closes the pipe."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    messages = _Messages(pipe)
    worker = Worker(plan, messages)
    try:
        worker.load()
    except NovaspeechError as error:
        messages.send("error", error)
        return
    messages.send("loaded")
    with suppress(EOFError, ConnectionError):
        while True:
            for ended in worker.run(pipe.recv()):
                messages.send("ended", ended)


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
