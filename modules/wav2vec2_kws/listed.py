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

from tqdm import tqdm

from novaspeech.corpus.store import Store, is_url, scratch
from novaspeech.formats.read import read_tracks
from novaspeech.terminal.bar import Bar
from novaspeech.terminal.work import driver_of, recordings_meant, tell, work

if TYPE_CHECKING:
    from novaspeech.corpus.ended import Ended
    from novaspeech.corpus.plan import Plan
    from novaspeech.corpus.rows import Row
    from novaspeech.segments import Segment

COLUMNS = ("file", "start", "end", "label", "confidence")
_WIDTH = 12  # of labels, at least
_FULL = {"csv", "parquet", "audformat", "npz"}  # formats that hold all that is listed


def list_segments(
    given: argparse.Namespace,
    plan: Plan,
    entries: Sequence[str],
    own: Callable[[list[Row]], list[Row]] = lambda rows: rows,
) -> tuple[int, int]:
    """Runs a plan as `novaspeech run` does, and lists the segments of its only output as recordings end.

    Results stay only if --out or --format asks for them; beside files that do not hold all of it there is a CSV file.

    Args:
        plan: without formats and `out`, which `given` has.
        own: adds inputs that each recording has of its own.

    Returns:
        the exit status of `novaspeech run`, and how many segments there are
    """
    with ExitStack() as stack:
        formats = given.formats or ["ssi"]
        formats = tuple(dict.fromkeys(formats if _FULL & set(formats) else [*formats, "csv"]))
        plan, stay = replace(plan, out=given.out, formats=formats, end=given.end), bool(given.out or given.formats)
        if not stay:  # they are read back from files that nobody keeps
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
        if stopped and not stay:
            raise KeyboardInterrupt
        return tell(report, stopped=stopped, quiet=True), listed.found


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
        if ended.status != "done":
            return
        tables = [file for file in ended.files if file.endswith(tuple(_FULL))]
        with ExitStack() as stack:
            files = [Path(self._out, file) for file in tables]
            if is_url(self._out):
                folder = stack.enter_context(scratch())
                files = [folder / posixpath.basename(file) for file in tables]
                for table, file in zip(tables, files, strict=True):
                    file.write_bytes(Store(self._out).read(table) or b"")
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
        with tqdm.external_write_mode(sys.stdout):  # a row would stand behind the bar
            if self._csv:
                self._csv.writerow(cells)
            else:
                print(self._layout.format(*cells))
