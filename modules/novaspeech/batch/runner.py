"""A batch: each recording once, what is there already skipped, what fails named, the rest done."""

from __future__ import annotations

import time
import traceback
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, get_args

from novaspeech.batch.order import Order, Task
from novaspeech.batch.record import Record, origin
from novaspeech.errors import NovaspeechError
from novaspeech.hooks import Log
from novaspeech.module.output import Output

State = Literal["done", "skipped", "failed", "not begun"]
STATES = get_args(State)
# What one recording may do to a batch: nothing. RuntimeError and ValueError are torch's and NumPy's.
_FAILURES = (NovaspeechError, OSError, RuntimeError, ValueError, MemoryError)
_READERS = 8  # threads that open recordings to see how long they are


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        task: it.
        state: "done"; "skipped", its files being there; "failed"; "not begun", the batch having been stopped before.
        reason: of a failure, one line.
        files: that it has; of a failure none.
        took: seconds.
        trace: of a failure, where in the code it arose.
    """

    task: Task
    state: State
    reason: str = ""
    files: tuple[Path, ...] = ()
    took: float = 0.0
    trace: str = ""


class Events(Protocol):
    """Who watches a batch."""

    def log(self, line: str) -> None:
        """A line for people."""

    def began(self, tasks: Sequence[Task]) -> None:
        """The work begins, with these tasks."""

    def progress(self, task: Task, share: float) -> None:
        """So much of a task is done, 0 to 1."""

    def ended(self, outcome: Outcome) -> None:
        """A task has ended."""


class Sorted:
    """The tasks of a batch before the model is loaded: those to do, and what became of the others.

    Attributes:
        todo: tasks to do, their seconds measured.
        outcomes: of those that are there already or cannot be done.
    """

    def __init__(self, tasks: Sequence[Task], order: Order, outputs: Sequence[Output], *, skip_existing: bool) -> None:
        self.todo: list[Task] = []
        self.outcomes: list[Outcome] = []
        end_ms, made_by = order.milliseconds(order.trainer)["end"], origin(order)

        def look(task: Task) -> Task | Outcome:
            try:
                files = task.files(order, outputs)
                if skip_existing and task.recording.is_file() and Record(task, made_by).tells_of(files):
                    return Outcome(task, "skipped", files=tuple(files))
                return replace(task, seconds=task.measure(end_ms))
            except _FAILURES as error:
                return Outcome(task, "failed", _reason(error))

        with ThreadPoolExecutor(_READERS) as threads:
            for found in threads.map(look, tasks):
                if isinstance(found, Task):
                    self.todo.append(found)
                else:
                    self.outcomes.append(found)


class Runner:
    """Does tasks one after the other in this process; the model is loaded for the first of them.

    Raises:
        OptionError, WeightsError: the model cannot be had.
    """

    def __init__(self, order: Order, log: Log) -> None:
        self._order = order
        self._outputs = order.check(lambda line: None)
        self._model = order.load(log)
        self._origin = origin(order)  # after a model that had to be fetched is there

    def run(self, task: Task, events: Events) -> Outcome:
        """Does a task; what is wrong with it is in the outcome. A KeyboardInterrupt leaves nothing of it."""
        began, order = time.monotonic(), self._order
        record = Record(task, self._origin)

        def progress(completed: int, total: int) -> None:
            events.progress(task, completed / max(1, total))

        try:
            result = self._model(task.recording, order.outputs, inputs=order.inputs, end=order.end, progress=progress)
            task.folder.mkdir(parents=True, exist_ok=True)
            files = task.files(order, self._outputs)
            with record.around(files, self._model.processor.threshold):
                result.save(task.folder, order.formats)
        except _FAILURES as error:
            took = time.monotonic() - began
            return Outcome(task, "failed", _reason(error), took=took, trace=traceback.format_exc())
        return Outcome(task, "done", files=tuple(files), took=time.monotonic() - began)


def run_here(tasks: Sequence[Task], order: Order, events: Events) -> Generator[Outcome, None, None]:
    """Runs a batch in this process.

    Raises:
        OptionError, WeightsError: the model cannot be had.
    """
    runner = Runner(order, events.log)
    events.began(tasks)
    for task in tasks:
        outcome = runner.run(task, events)
        events.ended(outcome)
        yield outcome


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
