"""`novaspeech run`: a module over recordings, one or many."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaspeech.errors import RequestError
from novaspeech.terminal.arguments import (
    add_plan_arguments,
    add_summary_arguments,
    check_module,
    new_command,
    plan_of,
)

if TYPE_CHECKING:
    from novaspeech.corpus.driver import Driver, Engine
    from novaspeech.corpus.ended import Ended
    from novaspeech.corpus.table import Gathered
    from novaspeech.terminal.bar import Bar

_AT_LEAST_ONE = ("jobs", "together", "workers_per_gpu")


def add_command(commands: Any) -> None:
    """Adds `run` to the subparsers of `novaspeech`."""
    run = new_command(commands, "run", _run, help="run a module over recordings")
    add_plan_arguments(run)
    add = run.add_argument
    add(
        "entries",
        nargs="+",
        metavar="INPUT",
        help="a recording, folder, pattern, manifest (.jsonl, .csv, .tsv, .parquet), URL, or @FILE with one a line",
    )
    add("--anew", action="store_true", help="make also what is there already")
    add("--overwrite", action="store_true", help="replace what other options, another module or a person made")
    add("--skip-existing", action="store_true", help=argparse.SUPPRESS)  # which is what it does anyhow
    add("--retry-failed", action="store_true", help="of recordings into --out, do again what failed")
    add("--dry-run", action="store_true", help="say what would be done, and do nothing")
    add("--report", type=Path, metavar="FILE", help="what became of each recording, as JSON lines")
    add(
        "--table",
        type=Path,
        metavar="FILE",
        help="one table of all recordings, .csv or .parquet; other files with --out",
    )
    add_summary_arguments(run)
    add("--root", metavar="DIR", help="folder from which on tables name recordings (default: as you give them)")
    add("--jobs", type=int, default=1, metavar="N", help="processes, for CPUs with many cores (1)")
    add("--shard", default="", metavar="I/N", help="only the I-th of N parts, for SLURM and Kubernetes")
    add("--engine", choices=["ray"], help="what hands out the work on a cluster, or to all of this machine")
    add("--workers-per-gpu", type=int, default=2, metavar="N", help="processes of --engine ray that share a GPU (2)")


def _run(given: argparse.Namespace) -> int:
    """Runs a module over recordings and writes what a server would, as NAME.MODULE.OUTPUT.stream.

    What is there whole, made in the same way of the same recording, is not made again: the same command goes on,
    whatever ended it. Of several recordings into --out, a report is there, too, and what tells how far it is. Exit
    status: 0 if each recording is done, 1 if one failed or nothing could begin, 130 after Ctrl-C.

    Examples:
        novaspeech run emow2v interview.mp4
        novaspeech run emow2v talks --out results --jobs 4 --report report.jsonl
        novaspeech run emow2v talks --table emotions.csv
        novaspeech run emow2v talks --table turns.csv --summary mean,std --segments turns
        novaspeech run wav2vec2_kws talks/*.wav --output words --format textgrid --format csv
        novaspeech run wav2vec2_sv lesson.wav --input reference=teacher.wav --output similarity
        novaspeech run w2v_bert_2 @list.txt --stride 100ms --set context=recording --set device=cpu
        novaspeech run w2v_bert_2 manifest.jsonl --out results --shard 3/16 --format npy --dtype float16
        novaspeech run emow2v s3://bucket/talks --out s3://bucket/results --engine ray
    """
    check_module(given)
    from novaspeech.corpus.report import as_lines
    from novaspeech.corpus.store import Store
    from novaspeech.terminal.bar import Bar

    bar = Bar(quiet=given.quiet, verbose=given.verbose)
    driver, gathered = _driver(given, bar)
    if given.dry_run:
        return 0
    try:
        stopped = driver.run(_engine(given))
    finally:
        bar.close()
        report = driver.report()
        if given.report:
            Store("").write(str(given.report), as_lines(report))
    if gathered and not stopped:
        done = driver.rows_of(report)
        gathered.write(done)
        bar.log(f"{given.table}: {len(done)} of {len(report)} recordings")
    return _told(report, stopped=stopped, quiet=given.quiet)


def _driver(given: argparse.Namespace, bar: Bar) -> tuple[Driver, Gathered | None]:
    """The recordings that are meant, and the table of them; all that can be wrong with the command is checked."""
    from novaspeech.corpus.driver import Driver
    from novaspeech.corpus.rows import part_of, read_rows, seen_from
    from novaspeech.corpus.table import Gathered, tabled
    from novaspeech.formats.one_table import Table

    plan = plan_of(given)
    _check(given)
    if given.table:
        plan = tabled(plan, given.table, Table.asked(given.table, given.summary, given.segments), bar.log)
    rows = read_rows(given.entries, bar.log, beside=not plan.out)
    rows = seen_from(rows, given.root) if given.root else rows
    many = bool(plan.out) and bool(len(rows) > 1 or given.shard or given.engine)
    plan = replace(plan, many=many).checked(bar.log, rows)
    rows = part_of(rows, given.shard) if given.shard else rows
    replacing = {"anew": given.anew, "overwrite": given.overwrite, "retry_failed": given.retry_failed}
    gathered = Gathered(given.table, plan) if given.table else None
    if gathered:
        gathered.check(len(rows), overwrite=given.overwrite)
    driver = Driver(rows, plan, bar, shard=given.shard, **replacing)
    if plan.many or driver.skipped or given.dry_run:
        bar.log(f"{len(rows)} recordings, {driver.skipped} of them ended before, {len(driver.todo)} to do")
    return driver, gathered


def _told(report: Sequence[Ended], *, stopped: bool, quiet: bool) -> int:
    """Says what came of recordings, and gives the exit status."""
    from novaspeech.corpus.report import summary

    done = sum(ended.status == "done" for ended in report)
    if len(report) > 1 and not quiet:
        print(summary(report), file=sys.stderr)
    if stopped:
        said = f"novaspeech: stopped with {done} of {len(report)} recordings done, and nothing half done"
        print(f"{said}; the same command goes on", file=sys.stderr)
    return 130 if stopped else int(done < len(report))


def _check(given: argparse.Namespace) -> None:
    for name in _AT_LEAST_ONE:
        if getattr(given, name) < 1:
            raise RequestError(f"--{name.replace('_', '-')} is {getattr(given, name)}; it must be 1 or more")
    if given.engine and (given.shard or given.jobs > 1):
        raise RequestError("--engine ray hands out the work, as --shard and --jobs do; take one of them")
    if not given.table and (given.summary or given.segments):
        raise RequestError("--summary and --segments are for a table: name one, as --table emotions.csv")
    if given.table and given.shard:
        raise RequestError("--table has all recordings in it; run the parts first, and then --table without --shard")
    if given.table and given.formats and not given.out:
        raise RequestError("--table writes no other files without --out; name it for what --format asks for")
    if (given.engine or given.shard) and not given.out:
        raise RequestError("--engine and --shard need --out, where all that take part find what is done")
    if Path(given.out).expanduser().is_file():
        raise RequestError(f"--out {given.out} is a file; name a folder, which is made if need be")


def _engine(given: argparse.Namespace) -> Engine:
    if given.engine == "ray":
        from novaspeech.corpus.on_ray import run_on_ray

        return partial(run_on_ray, workers_per_gpu=given.workers_per_gpu)
    from novaspeech.corpus.processes import run_here, run_in_processes

    return partial(run_in_processes, jobs=given.jobs) if given.jobs > 1 else run_here
