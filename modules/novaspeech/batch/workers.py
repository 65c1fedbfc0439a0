"""A batch in several processes, each with the model and a share of the cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from novaspeech.batch.order import Order, Task
from novaspeech.batch.runner import Events, Outcome, Runner
from novaspeech.errors import NovaspeechError, WeightsError

_PATIENCE_S = 60  # that a stopped process has to leave nothing half done
_THREADS = "OMP_NUM_THREADS"  # torch's, and through it onnxruntime's


def run_in_processes(tasks: Sequence[Task], order: Order, events: Events, jobs: int) -> Generator[Outcome, None, None]:
    """Runs a batch in processes of its own; what stops one of them costs the recording that it had.

    Raises:
        NovaspeechError: the model cannot be had.
    """
    waiting = deque(tasks)
    events.began(tasks)
    with _threads_each(jobs):
        crew = [_Worker(order, tells=not number) for number in range(min(jobs, len(tasks)))]
        try:
            while crew:
                by_end = {worker.messages: worker for worker in crew}
                for ready in wait(list(by_end)):
                    worker = by_end[ready]  # type: ignore[index]
                    outcome = worker.listen(events)
                    if outcome:
                        events.ended(outcome)
                        yield outcome
                    if worker.ended:
                        crew.remove(worker)
                        if waiting:
                            crew.append(_Worker(order, tells=False))
                    elif worker.idle:
                        worker.give(waiting.popleft() if waiting else None)
        finally:
            for worker in crew:
                worker.messages.close()
            for worker in crew:
                worker.join()


class _Worker:
    """A process that does one task after the other, as this one hands them over.

    Args:
        tells: whether its lines about loading the model, which are the same in each, are to be seen.

    Attributes:
        messages: where it speaks.
        idle: whether it waits for a task.
        ended: whether it has ended.
        loaded: whether it has its model.
    """

    def __init__(self, order: Order, *, tells: bool) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share torch's threads, which do not survive it
        self.messages, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(order, theirs, tells), daemon=True)
        self._process.start()
        theirs.close()
        self.idle = self.ended = self.loaded = False
        self._task: Task | None = None

    def give(self, task: Task | None) -> None:
        """Hands over a task, or None: that there is none any more."""
        self._task, self.idle = task, False
        with suppress(OSError):  # it has just ended, as `listen` will find
            self.messages.send(task)

    def listen(self, events: Events) -> Outcome | None:
        """Takes a message; gives the outcome of its task if that has ended.

        Raises:
            NovaspeechError: it cannot load the model, or ended over it.
        """
        try:
            kind, content = self.messages.recv()
        except (EOFError, ConnectionError):
            self._process.join(_PATIENCE_S)
            self.ended = True
            task, self._task, code = self._task, None, self._process.exitcode
            if not self.loaded:  # as the next one would
                raise WeightsError(
                    f"a process ended with {code} while it loaded the model; was there too little memory? Take fewer "
                    "--jobs"
                ) from None
            said = f"its process ended with {code}; was there too little memory?"
            return Outcome(task, "failed", said) if task else None
        if kind == "error":
            raise content
        if kind == "log":
            events.log(content)
        elif kind == "progress" and self._task:
            events.progress(self._task, content)
        elif kind == "idle":
            self.idle, self.loaded, self._task = True, True, None
            return content  # type: ignore[no-any-return]
        return None

    def join(self) -> None:
        """Waits for its end, which comes when it next speaks to the closed pipe, with nothing half done."""
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()


class _Reports:
    """The events of a worker, sent to the process that started it."""

    def __init__(self, messages: Connection[Any, Any]) -> None:
        self._messages = messages

    def log(self, line: str) -> None:
        self._messages.send(("log", line))

    def began(self, tasks: Sequence[Task]) -> None:
        pass

    def progress(self, task: Task, share: float) -> None:
        self._messages.send(("progress", share))  # fails when the other end is closed, which stops the work

    def ended(self, outcome: Outcome) -> None:
        self._messages.send(("idle", outcome))


def _work(order: Order, messages: Connection[Any, Any], tells: bool) -> None:
    """What a worker does. The process that started it takes Ctrl-C, and closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reports = _Reports(messages)
    with suppress(EOFError, OSError):  # the pipe is closed
        try:
            runner = Runner(order, reports.log if tells else lambda line: None)
        except NovaspeechError as error:
            messages.send(("error", error))
            return
        messages.send(("idle", None))
        while task := messages.recv():
            reports.ended(runner.run(task, reports))


@contextmanager
def _threads_each(jobs: int) -> Iterator[None]:
    """Inside, processes start with their share of the cores; what the user set is left alone."""
    before = os.environ.get(_THREADS)
    if before is None:
        os.environ[_THREADS] = str(max(1, cores() // jobs))
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
