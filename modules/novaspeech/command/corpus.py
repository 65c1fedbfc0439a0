"""`novaspeech corpus`: a module over a corpus, in one process or many, nothing lost and nothing twice."""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from novaspeech.errors import RequestError
from novaspeech.terminal.arguments import add_order_arguments, new_command, order_of
from novaspeech.terminal.bar import CorpusBar

if TYPE_CHECKING:
    from novaspeech.corpus.driver import Engine
    from novaspeech.corpus.ledger import Ended

_REASONS = 20  # kinds of failures that are shown; the report has all


def add_command(commands: Any) -> None:
    """Adds `corpus` to the subparsers of `novaspeech`."""
    corpus = new_command(commands, "corpus", _corpus, help="run a module over a corpus, on one machine or many")
    add_order_arguments(corpus)
    corpus.add_argument(
        "entries",
        nargs="+",
        metavar="INPUT",
        help="a recording, folder, pattern, @FILE, URL, or manifest (.jsonl, .csv, .tsv, .parquet)",
    )
    corpus.add_argument("--out", required=True, metavar="DIR|URL", help="where the results and the report go")
    corpus.add_argument("--engine", choices=["ray"], help="who hands out the work (default: this process does it)")
    corpus.add_argument("--shard", default="", metavar="I/N", help="only the I-th of N parts, for SLURM and Kubernetes")
    corpus.add_argument("--workers-per-gpu", type=int, default=2, metavar="N", help="processes that share a GPU (2)")
    corpus.add_argument(
        "--together", type=int, default=1, metavar="N", help="short recordings that share passes, which rounds anew (1)"
    )
    corpus.add_argument("--format", choices=["ssi", "npy"], default="ssi", help="of the results (ssi)")
    corpus.add_argument(
        "--dtype", choices=["float32", "float16"], default="float32", help="of the numbers in npy (float32)"
    )
    corpus.add_argument("--retry-failed", action="store_true", help="do again what failed")
    corpus.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def _corpus(given: argparse.Namespace) -> int:
    """Runs a module over a corpus. Running it again goes on where it was, whatever ended it.

    Below --out stand the tree of results, report.jsonl, and while it runs status.json. Exit status: 0 if each recording
    is done, 1 if one failed or something is wrong with the machine or the model, 130 after Ctrl-C.

    Examples:
        novaspeech corpus emow2v talks --out results
        novaspeech corpus w2v_bert_2 manifest.jsonl --out results --engine ray --set context=recording
        novaspeech corpus w2v_bert_2 manifest.jsonl --out results --shard 3/16 --format npy --dtype float16
        novaspeech corpus emow2v s3://bucket/talks --out s3://bucket/results --dry-run
    """
    from novaspeech.corpus.driver import Corpus

    bar = CorpusBar(quiet=given.quiet, verbose=given.verbose)
    _check(given)
    order = order_of(given, [given.format], given.dtype)
    with closing(
        Corpus(given.entries, order, given.out, bar.log, shard=given.shard, together=given.together)
    ) as corpus:
        if given.retry_failed:
            corpus.retry_failed()
        bar.log(
            f"{len(corpus.rows)} recordings, {len(corpus.rows) - len(corpus.todo)} of them ended before, "
            f"{len(corpus.todo)} to do"
        )
        if given.dry_run:
            return 0
        stopped = False
        try:
            with _stopped_by_signals():
                for counted in corpus.run(_engine(given), bar.log):
                    bar.show(counted)
        except KeyboardInterrupt:
            stopped = True
        finally:
            bar.close()
            report = corpus.report()
    return _told(report, stopped=stopped, quiet=given.quiet)


def _check(given: argparse.Namespace) -> None:
    if given.shard and given.engine:
        raise RequestError("--shard and --engine ray both hand out the work; take one of them")
    for name in ("workers_per_gpu", "together"):
        if getattr(given, name) < 1:
            raise RequestError(f"--{name.replace('_', '-')} is {getattr(given, name)}; it must be 1 or more")
    if given.dtype != "float32" and given.format != "npy":
        raise RequestError(f"--dtype {given.dtype} is for --format npy; NOVA's streams hold float32")


def _engine(given: argparse.Namespace) -> Engine:
    from novaspeech.corpus.driver import run_here

    if given.engine == "ray":
        from novaspeech.corpus.on_ray import run_on_ray

        return partial(run_on_ray, workers_per_gpu=given.workers_per_gpu)
    return run_here


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Inside, SIGTERM, which schedulers send before SIGKILL, does what Ctrl-C does."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _told(report: Sequence[Ended], *, stopped: bool, quiet: bool) -> int:
    """Says what came of the corpus, and gives the exit status."""
    counts = Counter(ended.status for ended in report)
    if not quiet:
        print("\n".join(f"{status:<9} {number:>8}" for status, number in sorted(counts.items())), file=sys.stderr)
        reasons = Counter(ended.reason for ended in report if ended.status == "failed")
        for reason, number in reasons.most_common(_REASONS):
            print(f"  {number} × {reason}" if number > 1 else f"  {reason}", file=sys.stderr)
    if stopped:
        print("novaspeech: stopped; the same command goes on where it was", file=sys.stderr)
        return 130
    return int(counts["done"] < len(report))
