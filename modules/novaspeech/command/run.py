"""`novaspeech run`: a module over recordings, one or many."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError
from novaspeech.terminal.arguments import (
    add_model_arguments,
    add_plan_arguments,
    add_recording_arguments,
    add_summary_arguments,
    check_module,
    new_command,
    plan_of,
)


def add_command(commands: Any) -> None:
    """Adds `run` to the subparsers of `novaspeech`."""
    run = new_command(commands, "run", _run, help="run a module over recordings")
    add_plan_arguments(run)
    add_recording_arguments(run)
    add_model_arguments(run)
    table = "one table of all recordings, .csv or .parquet; other files with --out"
    run.add_argument("--table", type=Path, metavar="FILE", help=table)
    add_summary_arguments(run)
    run.add_argument("--skip-existing", action="store_true", help=argparse.SUPPRESS)  # which is what it does anyhow


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
    from novaspeech.corpus.table import Gathered, tabled
    from novaspeech.formats.one_table import Table
    from novaspeech.terminal.bar import Bar
    from novaspeech.terminal.work import driver_of, recordings_meant, tell, work

    _check_table(given)
    bar, plan = Bar(quiet=given.quiet, verbose=given.verbose), plan_of(given)
    if given.table:
        plan = tabled(plan, given.table, Table.asked(given.table, given.summary, given.segments), bar.log)
    plan, rows = plan.with_own(recordings_meant(given, given.entries, bar.log, beside=not plan.out))
    driver = driver_of(given, plan, rows, bar)
    gathered = Gathered(given.table, driver.plan) if given.table else None
    if gathered:
        gathered.check(len(rows), overwrite=given.overwrite)
    if given.dry_run:
        return 0
    report, stopped = work(given, driver, bar)
    if gathered and not stopped:
        done = driver.rows_of(report)
        gathered.write(done)
        bar.log(f"{given.table}: {len(done)} of {len(report)} recordings")
    return tell(report, stopped=stopped, quiet=given.quiet)


def _check_table(given: argparse.Namespace) -> None:
    if not given.table and (given.summary or given.segments):
        raise RequestError("--summary and --segments are for a table: name one, as --table emotions.csv")
    if given.table and given.shard:
        raise RequestError("--table has all recordings in it; run the parts first, and then --table without --shard")
    if given.table and given.formats and not given.out:
        raise RequestError("--table writes no other files without --out; name it for what --format asks for")
