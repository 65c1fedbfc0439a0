"""Progress of a command: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from novaspeech.hooks import Progress

if TYPE_CHECKING:
    from novaspeech.batch.order import Task
    from novaspeech.batch.runner import Outcome
    from novaspeech.corpus.progress import Counted

_LINE_EVERY_S = 60
_LOOK = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


@contextmanager
def progress_bar(name: str, **look: Any) -> Iterator[Progress]:
    """Context of a hook that moves a bar on standard error.

    Args:
        name: the recording's name.
        look: further settings of tqdm.
    """
    with tqdm(desc=name, unit="window", dynamic_ncols=True, **look) as bar:

        def show(completed: int, total: int) -> None:
            bar.total = total
            bar.update(completed - bar.n)

        yield show


class _Bar:
    """A bar on standard error, or without a terminal lines now and then.

    Args:
        quiet: shows neither bar nor lines of the log.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._terminal = quiet, sys.stderr.isatty() and not quiet
        self._bar: Any = None

    def log(self, line: str) -> None:
        """Takes a line for people."""
        if not self._quiet:
            self.say(line)

    def say(self, line: str) -> None:
        """Writes a line above the bar."""
        tqdm.write(line, file=sys.stderr)

    def close(self) -> None:
        """Ends the bar with its line; more lines may follow."""
        if self._bar is not None:
            self._bar.close()


class BatchBar(_Bar):
    """One bar on standard error for all recordings of a batch, or without a terminal a line a minute.

    Args:
        quiet: shows neither bar nor lines of the log; what fails is shown always.
        verbose: says of each recording what came of it.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._verbose = verbose
        self._shares: dict[Task, float] = {}  # done of each task, 0 to 1
        self._done = 0.0  # seconds of all

    def began(self, tasks: Sequence[Task]) -> None:
        self._count, self._ended = len(tasks), 0
        self._seconds = max(0.001, sum(task.seconds for task in tasks))
        self._began = self._told = time.monotonic()
        if self._terminal:
            self._bar = tqdm(total=round(self._seconds, 3), bar_format=_LOOK, dynamic_ncols=True, file=sys.stderr)

    def progress(self, task: Task, share: float) -> None:
        self._done += (share - self._shares.get(task, 0)) * task.seconds
        self._shares[task] = share
        self._show(task)

    def ended(self, outcome: Outcome) -> None:
        self._ended += 1
        self.progress(outcome.task, 1)
        self.tell(outcome)

    def tell(self, outcome: Outcome) -> None:
        """Says what became of a task, if it failed or all is to be said."""
        if self._verbose:
            more = outcome.trace or ", ".join(file.name for file in outcome.files)
            self.say(f"{outcome.task.recording}: {outcome.state} in {outcome.took:.1f} s {more}".rstrip())
        if outcome.state == "failed":
            self.say(f"novaspeech: {outcome.reason}")

    def _show(self, task: Task) -> None:
        done = self._done
        if self._bar is not None:
            place = f"{min(self._ended + 1, self._count)}/{self._count} " if self._count > 1 else ""
            self._bar.set_description_str(f"{place}{task.recording.name}", refresh=False)
            self._bar.update(min(done, self._bar.total) - self._bar.n)
        elif not self._quiet and time.monotonic() - self._told >= _LINE_EVERY_S:
            self._told = time.monotonic()
            left = (self._told - self._began) * (self._seconds / done - 1) if done else None
            rest = f", about {tqdm.format_interval(left)} left" if left is not None else ""
            self.say(f"{self._ended} of {self._count} recordings, {done / self._seconds:.0%}{rest}")


class CorpusBar(_Bar):
    """One line on standard error for a corpus, or without a terminal a line a minute.

    Args:
        quiet: shows neither it nor lines of the log.
        verbose: shows a line after each recording.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._every_s = 0 if verbose else _LINE_EVERY_S
        self._told = time.monotonic()

    def show(self, counted: Counted) -> None:
        """Shows how far it is."""
        line = _line_of(counted)
        if self._terminal:
            if self._bar is None:
                self._bar = tqdm(total=1.0, bar_format="{desc} |{bar}|", dynamic_ncols=True, file=sys.stderr)
            self._bar.set_description_str(line, refresh=False)
            self._bar.update(counted.share - self._bar.n)
        elif time.monotonic() - self._told >= self._every_s:
            self._told = time.monotonic()
            self.log(line)


def _line_of(counted: Counted) -> str:
    left = "" if counted.left is None else f", about {tqdm.format_interval(counted.left)} left"
    done, failed = counted.statuses["done"], counted.statuses["failed"]
    return f"{counted.share:.0%}: {done} done, {failed} failed, {counted.speed:.0f} h of audio per h{left}"
