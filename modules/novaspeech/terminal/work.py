"""What the commands share that run a module over recordings: which ones, who works, and what came of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from novaspeech.corpus.driver import Driver
from novaspeech.corpus.report import as_lines, summary
from novaspeech.corpus.rows import part_of, read_rows, seen_from
from novaspeech.corpus.store import Store
from novaspeech.errors import RequestError
from novaspeech.hooks import Log
from novaspeech.terminal.arguments import INTERRUPTED

if TYPE_CHECKING:
    from novaspeech.corpus.driver import Engine
    from novaspeech.corpus.ended import Ended
    from novaspeech.corpus.plan import Plan
    from novaspeech.corpus.rows import Row
    from novaspeech.terminal.bar import Bar

_AT_LEAST_ONE = ("jobs", "together", "workers_per_gpu")


def recordings_meant(given: argparse.Namespace, entries: Sequence[str], log: Log, *, beside: bool) -> list[Row]:
    """The recordings that are meant; `beside` is whether results go beside each.

    Raises:
        RequestError: an entry is of no use, or arguments do not fit together.
    """
    for name in _AT_LEAST_ONE:
        if getattr(given, name, 1) < 1:
            raise RequestError(f"--{name.replace('_', '-')} is {getattr(given, name)}; it must be 1 or more")
    if given.engine and (given.shard or given.jobs > 1):
        raise RequestError("--engine ray hands out the work, as --shard and --jobs do; take one of them")
    if (given.engine or given.shard) and not given.out:
        raise RequestError("--engine and --shard need --out, where all that take part find what is done")
    if Path(given.out).expanduser().is_file():
        raise RequestError(f"--out {given.out} is a file; name a folder, which is made if need be")
    rows = read_rows(entries, log, beside=beside)
    return seen_from(rows, given.root) if given.root else rows


def driver_of(given: argparse.Namespace, plan: Plan, rows: Sequence[Row], bar: Bar) -> Driver:
    """The driver of a plan, all that can be wrong with it checked."""
    many = bool(plan.out) and bool(len(rows) > 1 or given.shard or given.engine)
    plan = replace(plan, many=many).checked(bar.log, rows)
    rows = part_of(rows, given.shard) if given.shard else rows
    replacing = {"anew": given.anew, "overwrite": given.overwrite, "retry_failed": given.retry_failed}
    driver = Driver(rows, plan, bar, shard=given.shard, **replacing)
    if many or driver.skipped or given.dry_run:
        bar.log(f"{len(rows)} recordings, {driver.skipped} of them ended before, {len(driver.todo)} to do")
    return driver


def work(given: argparse.Namespace, driver: Driver, bar: Bar) -> tuple[list[Ended], bool]:
    """Does the work; gives what became of each recording, and whether somebody stopped it."""
    try:
        stopped = driver.run(_engine(given))
    finally:
        bar.close()
        report = driver.report()
        if given.report:
            Store("").write(str(given.report), as_lines(report))
    return report, stopped


def tell(report: Sequence[Ended], *, stopped: bool, quiet: bool) -> int:
    """Says what came of recordings, and gives the exit status."""
    done = sum(ended.status == "done" for ended in report)
    if len(report) > 1 and not quiet:
        print(summary(report), file=sys.stderr)
    if stopped:
        said = f"novaspeech: stopped with {done} of {len(report)} recordings done, and nothing half done"
        print(f"{said}; the same command goes on", file=sys.stderr)
    return INTERRUPTED if stopped else int(done < len(report))


def _engine(given: argparse.Namespace) -> Engine:
    if given.engine == "ray":
        from novaspeech.corpus.on_ray import run_on_ray

        return partial(run_on_ray, workers_per_gpu=given.workers_per_gpu)
    from novaspeech.corpus.processes import run_here, run_in_processes

    return partial(run_in_processes, jobs=given.jobs) if given.jobs > 1 else run_here
