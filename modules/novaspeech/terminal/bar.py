"""Progress of a command: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from tqdm import tqdm

from novaspeech.corpus.ended import Ended
from novaspeech.corpus.report import Counted
from novaspeech.corpus.rows import Row
from novaspeech.hooks import Progress

_LINE_EVERY_S = 60
_LOOK = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


@contextmanager
def progress_bar(name: str) -> Iterator[Progress]:
    """Context of a hook that moves a recording's bar on standard error, which goes at the end; `name` is shown."""
    with tqdm(desc=name, unit="window", dynamic_ncols=True, leave=False, disable=None) as bar:

        def show(completed: int, total: int) -> None:
            bar.total = total
            bar.update(completed - bar.n)

        yield show


class Bar(Counted):
    """One bar on standard error for all recordings, or without a terminal a line a minute.

    Args:
        quiet: shows neither bar nor lines of the log; what fails is shown always.
        verbose: says of each recording what came of it.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet, self._verbose, self._terminal = quiet, verbose, sys.stderr.isatty() and not quiet
        self._bar: Any = None

    def log(self, line: str) -> None:
        if not self._quiet:
            tqdm.write(line, file=sys.stderr)

    def began(self, rows: Sequence[Row], skipped: int) -> None:
        super().began(rows, skipped)
        self._said = time.monotonic()
        if self._terminal and rows:
            self._bar = tqdm(total=1.0, bar_format=_LOOK, smoothing=0, dynamic_ncols=True, file=sys.stderr)

    def progress(self, row_id: str, share: float) -> None:
        super().progress(row_id, share)
        failed = f", {len(self.failed)} failed" if self.failed else ""
        speed = f", {self.speed:.0f} h of audio per h" if self.speed else ""
        ended = len(self.told) + self.skipped
        if self._bar is not None:
            place = f"{min(ended + 1, self.count)}/{self.count} " if self.count > 1 else ""
            self._bar.set_description_str(f"{place}{PurePath(self.rows[row_id].place).name}", refresh=False)
            self._bar.set_postfix_str(f"{failed}{speed}".removeprefix(", "), refresh=False)
            self._bar.update(self.share - self._bar.n)
        elif not self._quiet and time.monotonic() - self._said >= _LINE_EVERY_S:
            self._said = time.monotonic()
            left = "" if self.left is None else f", about {tqdm.format_interval(self.left)} left"
            self.log(f"{ended} of {self.count} recordings{failed}, {self.share:.0%}{speed}{left}")

    def ended(self, ended: Ended) -> None:
        """Says what became of a recording if it failed or all is to be said."""
        super().ended(ended)
        if self._verbose:
            more = ended.trace or ", ".join(ended.files)
            tqdm.write(f"{ended.place}: {ended.status} in {ended.took:.1f} s {more}".rstrip(), file=sys.stderr)
        if ended.status == "failed":
            tqdm.write(f"novaspeech: {ended.reason}", file=sys.stderr)

    def close(self) -> None:
        """Ends the bar with its line; more lines may follow."""
        if self._bar is not None:
            self._bar.close()
