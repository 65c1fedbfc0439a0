"""Progress of a command: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from novaspeech.hooks import Progress

if TYPE_CHECKING:
    from novaspeech.corpus.record import Ended
    from novaspeech.corpus.report import Counted

_LINE_EVERY_S = 60
_LOOK = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


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


class Bar:
    """One bar on standard error for all recordings, or without a terminal a line a minute.

    Args:
        quiet: shows neither bar nor lines of the log; what fails is shown always.
        verbose: says of each recording what came of it.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet, self._verbose, self._terminal = quiet, verbose, sys.stderr.isatty() and not quiet
        self._bar: Any = None

    def log(self, line: str) -> None:
        """Takes a line for people."""
        if not self._quiet:
            tqdm.write(line, file=sys.stderr)

    def began(self, counted: Counted) -> None:
        """Shows from now on how far this is."""
        self._counted, self._said = counted, time.monotonic()
        self._names = {row.id: PurePath(row.place).name for row in counted.rows}
        if self._terminal and counted.rows:
            self._bar = tqdm(total=1.0, bar_format=_LOOK, smoothing=0, dynamic_ncols=True, file=sys.stderr)

    def progress(self, row_id: str, share: float) -> None:
        """So much of a recording is done, 0 to 1."""
        self._counted.progress(row_id, share)
        self._show(row_id)

    def ended(self, ended: Ended) -> None:
        """A recording has ended: says what became of it, if it failed or all is to be said."""
        self._counted.add(ended)
        self._show(ended.id)
        if self._verbose:
            more = ended.trace or ", ".join(ended.files)
            tqdm.write(f"{ended.place}: {ended.status} in {ended.took:.1f} s {more}".rstrip(), file=sys.stderr)
        if ended.status == "failed":
            tqdm.write(f"novaspeech: {ended.reason}", file=sys.stderr)

    def close(self) -> None:
        """Ends the bar with its line; more lines may follow."""
        if self._bar is not None:
            self._bar.close()

    def _show(self, row_id: str) -> None:
        counted = self._counted
        failed = f", {counted.failed} failed" if counted.failed else ""
        speed = f", {counted.speed:.0f} h of audio per h" if counted.speed else ""
        ended = len(counted.told) + counted.skipped
        if self._bar is not None:
            place = f"{min(ended + 1, counted.count)}/{counted.count} " if counted.count > 1 else ""
            self._bar.set_description_str(f"{place}{self._names[row_id]}", refresh=False)
            self._bar.set_postfix_str(f"{failed}{speed}".removeprefix(", "), refresh=False)
            self._bar.update(counted.share - self._bar.n)
        elif not self._quiet and time.monotonic() - self._said >= _LINE_EVERY_S:
            self._said = time.monotonic()
            left = "" if counted.left is None else f", about {tqdm.format_interval(counted.left)} left"
            self.log(f"{ended} of {counted.count} recordings{failed}, {counted.share:.0%}{speed}{left}")
