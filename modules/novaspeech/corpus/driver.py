"""A corpus from its rows to its report; who hands out the work is given."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing

from novaspeech.batch.order import Order
from novaspeech.corpus.job import Job, shard_of
from novaspeech.corpus.ledger import Ended, Ledger
from novaspeech.corpus.progress import Counted, StatusFile, write_report
from novaspeech.corpus.rows import Row, read_rows
from novaspeech.corpus.store import store_at
from novaspeech.corpus.worker import Worker
from novaspeech.hooks import Log

# Has rows done, and gives what became of each, in any order.
Engine = Callable[[Sequence[Row], Job, Log], Generator[Ended, None, None]]


class Corpus:
    """A corpus that is to be done, or is done in part.

    Args:
        entries: as `read_rows` takes them.
        out: folder or URL of the results.
        log: takes lines about what is wrong with no recording.
        shard: "I/N" for one part of N, "" for all.
        together: the most short recordings that share passes.

    Attributes:
        rows: its recordings, the longest first.
        todo: those that have not ended.

    Raises:
        RequestError, OptionError: something is wrong with what is asked for, or another job's results are at `out`.
        PackageError: a package for a URL's kind is missing.
    """

    def __init__(
        self, entries: Sequence[str], order: Order, out: str, log: Log, *, shard: str = "", together: int = 1
    ) -> None:
        rows = read_rows(entries, log)
        self._job, self._shard = Job.of(order, out, together, log), shard
        self.rows = shard_of(rows, shard) if shard else rows
        self._store = store_at(out)
        self._ledger = Ledger(self._store)
        self._job.check(self._store)
        self._ended = self._ledger.ended_ids()
        self._again: set[str] = set()
        self._told: dict[str, Ended] = {}

    @property
    def todo(self) -> list[Row]:
        left_out = self._ended - self._again
        return [row for row in self.rows if row.id not in left_out]

    def retry_failed(self) -> None:
        """Takes what failed before among what is to be done."""
        mine = [row.id for row in self.rows if row.id in self._ended]
        self._again = {ended.id for ended in self._ledger.all_ended(mine) if ended.status == "failed"}

    def run(self, engine: Engine, log: Log) -> Iterator[Counted]:
        """Does what is to be done; gives how far it is after each recording.

        Raises:
            Exception: what is no fault of a recording.
        """
        self._job.claim(self._store)
        self._store.sweep()
        self._ledger.tidy(self._ended)
        self._ledger.forget(self._again)
        todo = self.todo
        counted = Counted(todo, len(self.rows) - len(todo))
        status = StatusFile(self._store, counted, self._shard)
        status.write("running")
        try:
            with closing(engine(todo, self._job, log)) as ended:
                for one in ended:
                    counted.add(one)
                    self._told[one.id] = one
                    status.show()
                    yield counted
        except (KeyboardInterrupt, GeneratorExit):
            self._ledger.take_back(self._job.run)
            raise
        finally:
            self._store.sweep()
            status.write("ended" if counted.complete else "stopped")

    def report(self) -> list[Ended]:
        """Writes `report.jsonl` and gives what it says, a line a row."""
        return write_report(self.rows, self._told, self._ledger, self._store, self._shard)

    def close(self) -> None:
        """Removes what is on its way."""
        self._store.close()


def run_here(rows: Sequence[Row], job: Job, log: Log) -> Generator[Ended, None, None]:
    """Does rows one after the other, or some together, in this process.

    Raises:
        Exception: what is no fault of a recording; it ends the run, and the next one goes on.
    """
    worker = Worker(job, log)
    try:
        for group in job.groups(rows):
            yield from worker.run(group)
    finally:
        worker.close()
