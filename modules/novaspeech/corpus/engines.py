"""Who hands out the work: this process, or Ray."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from novaspeech.corpus.job import Job
from novaspeech.corpus.ledger import Ended
from novaspeech.corpus.rows import Row
from novaspeech.corpus.worker import Worker
from novaspeech.hooks import Log


def run_here(rows: Sequence[Row], job: Job, log: Log) -> Generator[Ended, None, None]:
    """Does rows one after the other in this process.

    Raises:
        Exception: what is no fault of a recording; it ends the run, and the next one goes on.
    """
    worker = Worker(job, log)
    try:
        for row in rows:
            yield worker.run(row)
    finally:
        worker.close()
