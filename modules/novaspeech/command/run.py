"""`novaspeech run`: a module over recordings, files beside them."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaspeech.errors import RequestError
from novaspeech.terminal.arguments import add_order_arguments, new_command, order_of

if TYPE_CHECKING:
    from novaspeech.batch.order import Order, Task
    from novaspeech.batch.runner import Outcome
    from novaspeech.terminal.bar import BatchBar


def add_command(commands: Any) -> None:
    """Adds `run` to the subparsers of `novaspeech`."""
    run = new_command(commands, "run", _run, help="run a module over recordings")
    add_order_arguments(run)
    run.add_argument(
        "audio",
        nargs="+",
        metavar="INPUT",
        help="a recording (whatever libsndfile or ffmpeg reads), a folder, a pattern, or @FILE with an input a line",
    )
    run.add_argument("--out", type=Path, metavar="DIR", help="where the files go (default: beside each recording)")
    run.add_argument(
        "--format",
        action="append",
        metavar="FORMAT",
        dest="formats",
        help="ssi (default), csv, parquet, npz, npy, textgrid, eaf, srt, vtt",
    )
    run.add_argument("--skip-existing", action="store_true", help="leave out what the same order made already")
    run.add_argument("--jobs", type=int, default=1, metavar="N", help="processes, for CPUs with many cores (1)")
    run.add_argument("--report", type=Path, metavar="FILE", help="what became of each recording, as JSON")


def _run(given: argparse.Namespace) -> int:
    """Runs a module over recordings and writes what a server would: NAME.OUTPUT.stream, NAME.OUTPUT.annotation.

    Exit status: 0 if each recording is done or was there, 1 if one failed or nothing could begin, 130 after Ctrl-C.

    Examples:
        novaspeech run emow2v interview.mp4
        novaspeech run emow2v talks --out results --skip-existing --report report.json
        novaspeech run wav2vec2_kws talks/*.wav --output words --format textgrid --format csv
        novaspeech run wav2vec2_sv lesson.wav --input reference=teacher.wav --output similarity
        novaspeech run w2v_bert_2 @list.txt --stride 100ms --set context=recording --set device=cpu
    """
    from novaspeech.batch.inputs import find_recordings
    from novaspeech.batch.order import tasks_of
    from novaspeech.batch.runner import Sorted
    from novaspeech.formats.files import SSI
    from novaspeech.terminal.bar import BatchBar

    bar = BatchBar(quiet=given.quiet, verbose=given.verbose)
    order = order_of(given, given.formats or [SSI])
    if given.jobs < 1:
        raise RequestError(f"--jobs is {given.jobs}; it must be 1 or more")
    tasks = tasks_of(find_recordings(given.audio, bar.log), given.out)
    outputs = order.check(bar.log)
    batch = Sorted(tasks, order, outputs, skip_existing=given.skip_existing)
    for outcome in batch.outcomes:
        bar.tell(outcome)
    outcomes, stopped = batch.outcomes, False
    try:
        _work(batch.todo, order, bar, given.jobs, outcomes)
    except KeyboardInterrupt:
        stopped = True
    bar.close()
    _add_not_begun(tasks, outcomes)
    _tell(tasks, outcomes, given, stopped=stopped)
    return 130 if stopped else int(any(outcome.state == "failed" for outcome in outcomes))


def _work(todo: Sequence[Task], order: Order, bar: BatchBar, jobs: int, outcomes: list[Outcome]) -> None:
    """Does the tasks, and adds what becomes of them to `outcomes`."""
    from novaspeech.batch.runner import run_here
    from novaspeech.batch.workers import run_in_processes

    if not todo:
        return
    several = min(jobs, len(todo)) > 1
    with closing(run_in_processes(todo, order, bar, jobs) if several else run_here(todo, order, bar)) as ended:
        for outcome in ended:  # one by one: Ctrl-C must not lose what is known
            outcomes.append(outcome)  # noqa: PERF402


def _add_not_begun(tasks: Sequence[Task], outcomes: list[Outcome]) -> None:
    from novaspeech.batch.runner import Outcome

    known = {outcome.task.recording for outcome in outcomes}
    outcomes.extend(Outcome(task, "not begun") for task in tasks if task.recording not in known)


def _tell(tasks: Sequence[Task], outcomes: Sequence[Outcome], given: argparse.Namespace, *, stopped: bool) -> None:
    """Writes the report and, of several recordings, the table."""
    from novaspeech.batch.runner import STATES

    if given.report:
        _write_report(given.report, given.module, outcomes)
    counts = Counter(outcome.state for outcome in outcomes)
    if len(tasks) > 1 and not given.quiet:
        lines = [f"{state:<9} {counts[state]:>6}" for state in STATES if counts[state]]
        lines += [f"  {one.reason}" for one in outcomes if one.state == "failed"]
        print("\n".join(lines), file=sys.stderr)
    if stopped:
        print(
            f"novaspeech: stopped with {counts['done'] + counts['skipped']} of {len(tasks)} recordings done, and "
            "nothing half done; the same command with --skip-existing goes on",
            file=sys.stderr,
        )


def _write_report(file: Path, module: str, outcomes: Sequence[Outcome]) -> None:
    """Writes what became of each recording.

    Raises:
        SavingError: it cannot be written.
    """
    from novaspeech.saving import save_json

    recordings = [
        {
            "file": str(one.task.recording),
            "state": one.state,
            "reason": one.reason,
            "seconds": round(one.task.seconds, 3),
            "took": round(one.took, 3),
            "files": list(map(str, one.files)),
        }
        for one in outcomes
    ]
    counts = Counter(outcome.state for outcome in outcomes)
    content = {"module": module, "counts": counts, "recordings": recordings}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_json(content, file)
