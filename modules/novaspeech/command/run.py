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
from novaspeech.terminal.arguments import add_plan_arguments, check_module, new_command, plan_of

if TYPE_CHECKING:
    from novaspeech.corpus.driver import Driver, Engine
    from novaspeech.corpus.ended import Ended
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
    driver = _driver(given, bar)
    if given.dry_run:
        return 0
    try:
        stopped = driver.run(_engine(given))
    finally:
        bar.close()
        report = driver.report()
        if given.report:
            Store("").write(str(given.report), as_lines(report))
    return _told(report, stopped=stopped, quiet=given.quiet)


def _driver(given: argparse.Namespace, bar: Bar) -> Driver:
    """The recordings that are meant, all that can be wrong with the command checked."""
    from novaspeech.corpus.driver import Driver
    from novaspeech.corpus.rows import part_of, read_rows

    plan = plan_of(given)
    _check(given)
    rows = read_rows(given.entries, bar.log, beside=not plan.out)
    many = bool(plan.out) and bool(len(rows) > 1 or given.shard or given.engine)
    plan = replace(plan, many=many).checked(bar.log, rows)
    rows = part_of(rows, given.shard) if given.shard else rows
    replacing = {"anew": given.anew, "overwrite": given.overwrite, "retry_failed": given.retry_failed}
    driver = Driver(rows, plan, bar, shard=given.shard, **replacing)
    if plan.many or driver.skipped or given.dry_run:
        bar.log(f"{len(rows)} recordings, {driver.skipped} of them ended before, {len(driver.todo)} to do")
    return driver


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
