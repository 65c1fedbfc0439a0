"""The commands that run the module over recordings and list the segments of one output on standard output."""

from __future__ import annotations

import argparse
import csv
import posixpath
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from novaspeech.corpus.store import is_url
from novaspeech.formats.read import read_tracks
from novaspeech.terminal.arguments import INTERRUPTED
from novaspeech.terminal.bar import Bar
from novaspeech.terminal.work import driver_of, recordings_meant, tell, work

if TYPE_CHECKING:
    from novaspeech.corpus.ended import Ended
    from novaspeech.corpus.plan import Plan
    from novaspeech.corpus.rows import Row
    from novaspeech.segments import Segment

COLUMNS = ("file", "start", "end", "label", "confidence")
_WIDTH = 12  # of labels, at least


def list_segments(
    given: argparse.Namespace,
    plan: Plan,
    entries: Sequence[str],
    own: Callable[[list[Row]], list[Row]] = lambda rows: rows,
) -> tuple[int, int]:
    """Runs a plan as `novaspeech run` does, and lists the segments of its only output as recordings end.

    Results stay only if --out or --format asks for them.

    Args:
        plan: without formats and `out`, which `given` has.
        own: adds inputs that each recording has of its own.

    Returns:
        the exit status of `novaspeech run`, and how many segments there are
    """
    with ExitStack() as stack:
        plan = replace(plan, out=given.out, formats=tuple(given.formats or ["ssi"]), end=given.end)
        if not (given.out or given.formats):  # they are read back from files that nobody keeps
            plan = replace(plan, out=stack.enter_context(tempfile.TemporaryDirectory()), formats=("csv",))
        listed = _Listed(plan, as_csv=given.csv, quiet=given.quiet, verbose=given.verbose)
        rows = own(recordings_meant(given, entries, listed.log, beside=not plan.out))
        listed.names = {row.id: row.file for row in rows}
        driver = driver_of(given, plan, rows, listed)
        if given.dry_run:
            return 0, 0
        for ended in list(driver.known.values()):
            listed.show(ended)
        report, stopped = work(given, driver, listed)
        return INTERRUPTED if stopped else tell(report, stopped=False, quiet=True), listed.found


class _Listed(Bar):
    """A bar that also lists what was found in recordings that are done.

    Attributes:
        names: id of each recording → what tables call it.
        found: segments so far.
    """

    def __init__(self, plan: Plan, *, as_csv: bool, quiet: bool, verbose: bool) -> None:
        super().__init__(quiet=quiet, verbose=verbose)
        [output] = plan.outputs or ()
        self.names, self.found = dict[str, str](), 0
        self._output, self._out, self._layout = output, plan.out, ""
        self._csv = csv.writer(sys.stdout, lineterminator="\n") if as_csv else None

    def ended(self, ended: Ended) -> None:
        super().ended(ended)
        self.show(ended)

    def show(self, ended: Ended) -> None:
        """Lists what was found in a recording, if it is done."""
        if ended.status != "done" or is_url(self._out):
            return
        files = [Path(self._out, file) for file in ended.files if not file.endswith("~")]
        tracks = read_tracks(posixpath.basename(ended.id), None, files)
        for segment in next(track.segments for track in tracks.tracks if track.id == self._output):
            self._write(ended.id, segment)

    def _write(self, row_id: str, segment: Segment) -> None:
        times = (f"{milliseconds / 1000:.3f}" for milliseconds in (segment.start_ms, segment.end_ms))
        cells = (self.names[row_id], *times, segment.name, f"{segment.confidence:.3f}")
        if not self.found:
            widths = max(map(len, [*self.names.values(), "file"])), max(_WIDTH, len(segment.name))
            self._layout = f"{{:<{widths[0]}}}  {{:>9}}  {{:>9}}  {{:<{widths[1]}}}  {{:>10}}"
            self._print(COLUMNS)
        self._print(cells)
        self.found += 1

    def _print(self, cells: Sequence[str]) -> None:
        if self._csv:
            self._csv.writerow(cells)
        else:
            print(self._layout.format(*cells))
