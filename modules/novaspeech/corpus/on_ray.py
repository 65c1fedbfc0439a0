"""Ray Data hands out the work: on this machine, or on the cluster that RAY_ADDRESS names.

Only rows and what became of them pass through Ray. A worker is an actor with the model in memory. One that dies is
started again by Ray, and its block is done again: what of it has ended is known by its record.
"""

from __future__ import annotations

import getpass
import logging
import os
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from novaspeech.batch.workers import cores
from novaspeech.corpus.job import Job
from novaspeech.corpus.ledger import Ended
from novaspeech.corpus.rows import Row
from novaspeech.corpus.worker import Worker
from novaspeech.errors import NovaspeechError, PackageError, WeightsError
from novaspeech.hooks import Log

_BLOCK_ROWS = 16  # what Ray takes for a block, some 50 ms, is then little for each recording
_PARTS = 4  # of what is left for a worker a block is at most such a part, so that all end at about the same time
_PAUSE_S = 30.0  # before a process ends over a fault
_LONGEST_PAUSE_S = 900.0
_COLUMNS = ("id", "place", "size")
_ENDED, _REFUSED = "ended", "refused"  # kinds of lines that workers give


def run_on_ray(
    rows: Sequence[Row], job: Job, log: Log, *, workers_per_gpu: int = 2, pause_s: float = _PAUSE_S
) -> Generator[Ended, None, None]:
    """Has rows done by workers that Ray starts.

    Args:
        workers_per_gpu: processes that share a GPU: while one reads or writes, the other computes.
        pause_s: seconds that a process waits before it ends over a fault that is no recording's, twice as many after
            each further one on its machine: a broken GPU must not use up the attempts of many recordings.

    Raises:
        PackageError: Ray is missing.
        WeightsError: the model cannot be had.
    """
    if not rows:
        return
    with _connected() as ray:
        from ray import data

        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # it warns that bars are off
        share, workers = _share_of_a_worker(job, ray.cluster_resources(), workers_per_gpu)
        blocks = [_table(block) for block in blocks_of(rows, workers, job.together)]
        count = min(workers, len(blocks))
        log(f"Ray: {count} workers on {len(ray.nodes())} machines")
        done = data.from_arrow(blocks).map_batches(
            _Actor,
            fn_constructor_args=(job, pause_s),
            batch_size=None,
            compute=data.ActorPoolStrategy(min_size=1, max_size=count, initial_size=count),
            **share,
        )
        for batch in done.iter_batches(batch_size=None, prefetch_batches=0):
            for kind, line in zip(batch["kind"], batch["line"], strict=True):
                if kind == _REFUSED:
                    raise WeightsError(f"a worker says: {line}")
                yield Ended.from_json(line)


@contextmanager
def _connected() -> Iterator[Any]:
    """Inside, Ray runs: the one that is there already, that of RAY_ADDRESS, or one of this machine's own.

    Ray's own listens on the loopback address only. Usage statistics are off unless somebody turned them on.

    Raises:
        PackageError: Ray is missing.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    alone = "RAY_ADDRESS" not in os.environ
    if alone:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # which else listens on all addresses
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise PackageError(f"--engine ray needs Ray: pip install novaspeech[corpus] ({error})") from error
    if ray.is_initialized():
        yield ray
        return
    own = {"address": "local", "num_cpus": cores(), "_node_ip_address": "127.0.0.1"}  # not one that runs here already
    here: dict[str, Any] = own if alone else {}
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(logging_level=logging.WARNING, **here)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # Ray puts its own there, which ends the process at once
    try:
        yield ray
    finally:
        ray.shutdown()


def _share_of_a_worker(job: Job, resources: Mapping[str, float], workers_per_gpu: int) -> tuple[dict[str, Any], int]:
    """What of a machine a worker takes, and how many workers there can be at once."""
    gpus, cpus = resources.get("GPU", 0), resources.get("CPU", 1)
    if gpus and job.origin["options"]["device"] in ("auto", "cuda"):
        return {"num_gpus": 1 / workers_per_gpu, "num_cpus": 1}, int(gpus * workers_per_gpu)
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    return {"num_cpus": threads}, max(1, int(cpus // threads))


def blocks_of(rows: Sequence[Row], workers: int, together: int) -> list[list[Row]]:
    """Rows, the longest first, in blocks that get smaller towards the end (Polychronopoulos and Kuck 1987).

    A row of which nobody knows the size counts as 1.
    """
    sizes = [row.size or 1.0 for row in rows]
    left, size, most = sum(sizes), 0.0, 0.0
    blocks: list[list[Row]] = []
    for row, its_size in zip(rows, sizes, strict=True):
        if not blocks or len(blocks[-1]) == max(_BLOCK_ROWS, together) or size + its_size > most:
            left -= size
            size, most = 0.0, left / (workers * _PARTS)
            blocks.append([])
        blocks[-1].append(row)
        size += its_size
    return blocks


def _table(block: Sequence[Row]) -> Any:
    import pyarrow

    return pyarrow.table({name: [getattr(row, name) for row in block] for name in _COLUMNS})


class _Actor:
    """A worker, as Ray Data calls it; where its model cannot be had, that is all it says."""

    def __init__(self, job: Job, pause_s: float) -> None:
        self._job, self._worker, self._pause_s = job, Worker(job), pause_s
        self._refused = ""
        with self._ending():
            try:
                self._worker.load()
            except NovaspeechError as error:
                self._refused = str(error)

    def __call__(self, block: Mapping[str, Any]) -> dict[str, list[str]]:
        if self._refused:
            return {"kind": [_REFUSED], "line": [self._refused]}
        lines: list[str] = []
        rows = map(Row, *(block[name].tolist() for name in _COLUMNS))
        for group in self._job.groups(rows):
            with self._ending():
                lines += [ended.to_json() for ended in self._worker.run(group)]
            _faults_file().unlink(missing_ok=True)
        return {"kind": [_ENDED] * len(lines), "line": lines}

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """What is raised inside ends the process after a pause; Ray starts another in its place."""
        try:
            yield
        except Exception:  # noqa: BLE001 - whatever it is, another process may do better
            traceback.print_exc()
            file = _faults_file()
            before = len(file.read_bytes()) if file.exists() else 0
            file.write_bytes(bytes(before + 1))
            time.sleep(min(_LONGEST_PAUSE_S, self._pause_s * 2**before))
            os._exit(1)


def _faults_file() -> Path:
    """Has a byte for each process that ended over a fault on this machine, or its GPU, since something went well."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "").replace(",", "-")
    return Path(tempfile.gettempdir(), f"novaspeech-faults-{getpass.getuser()}-{gpu}")
