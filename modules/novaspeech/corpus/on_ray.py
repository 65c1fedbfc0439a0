"""Work on Ray: on this machine, or on the cluster that RAY_ADDRESS names.

Only rows and what became of them pass through Ray. A worker is an actor with the model in memory; in place of one that
dies another is started.
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

from novaspeech.corpus.crew import Member, hand_out
from novaspeech.corpus.plan import Plan
from novaspeech.corpus.processes import cores
from novaspeech.corpus.record import Ended
from novaspeech.corpus.rows import Row
from novaspeech.corpus.worker import Events, Silent, Worker
from novaspeech.errors import ModelError, NovaspeechError, WeightsError, require

_PAUSE_S = 30.0  # before a process ends over a fault
_LONGEST_PAUSE_S = 900.0
_LOAD_DEATHS = 3  # of each worker


def run_on_ray(
    rows: Sequence[Row], plan: Plan, events: Events, *, workers_per_gpu: int = 2, pause_s: float = _PAUSE_S
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
    with _connected() as ray:
        share, workers = _share_of_a_worker(plan, ray.cluster_resources(), workers_per_gpu)
        count = min(workers, len(rows))
        events.log(f"Ray: {count} workers on {len(ray.nodes())} machines")
        actor = ray.remote(_Actor).options(**share)

        def ready(crew: Sequence[_OnRay]) -> list[_OnRay]:
            found, _ = ray.wait([one.answer for one in crew if one.answer is not None], timeout=1.0)
            return [one for one in crew if one.answer in found]

        def start(tells: bool) -> _OnRay:
            return _OnRay(ray, actor.remote(plan, pause_s))

        for ended in hand_out(rows, plan, events, start, ready, count, _LOAD_DEATHS * count):
            if not ended.again:  # it is tried again until it is given up
                yield ended


class _OnRay(Member):
    """A worker, as the driver sees it; `answer` is what it is to say next."""

    def __init__(self, ray: Any, actor: Any) -> None:
        super().__init__()
        self._ray, self._actor = ray, actor
        self.answer = actor.load.remote()

    def give(self, rows: list[Row]) -> None:
        self.rows, self.idle = list(rows), False
        self.answer = self._actor.run.remote(rows)

    def listen(self, events: Events) -> list[Ended]:
        try:
            refused, ended = self._ray.get(self.answer)
        except self._ray.exceptions.RayError:  # the next worker may do better
            self.ended = "it was killed, or its machine was lost"
            self.stop()  # it may only be out of reach
            return []
        if refused:
            raise WeightsError(f"a worker says: {refused}")
        self.loaded, self.idle, self.rows, self.answer = True, True, [], None
        found: list[Ended] = ended
        return found

    def stop(self) -> None:
        self._ray.kill(self._actor)

    def join(self) -> None:
        pass  # Ray sees to it


class _Actor:
    """A worker, as Ray calls it: it says why its model cannot be had, and what became of recordings."""

    def __init__(self, plan: Plan, pause_s: float) -> None:
        self._worker, self._pause_s = Worker(plan, Silent()), pause_s

    def load(self) -> tuple[str, list[Ended]]:
        with self._ending():
            try:
                self._worker.load()
            except NovaspeechError as error:
                return str(error), []
        return "", []

    def run(self, rows: Sequence[Row]) -> tuple[str, list[Ended]]:
        found = []
        with self._ending():
            for ended in self._worker.run(rows):
                if ended.again:
                    raise ModelError(f"{ended.reason}\n{ended.trace}")
                found.append(ended)
        _faults_file().unlink(missing_ok=True)
        return "", found

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Ends the process after a pause if something is raised inside; Ray starts another in its place."""
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


@contextmanager
def _connected() -> Iterator[Any]:
    """Connects to Ray, inside: the one that is there already, that of RAY_ADDRESS, or one of this machine's own.

    Ray's own listens on the loopback address only. Usage statistics are off unless somebody turned them on.

    Raises:
        PackageError: Ray is missing.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    alone = "RAY_ADDRESS" not in os.environ
    if alone:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # which else listens on all addresses
    with require("--engine ray needs Ray", "novaspeech[corpus]"):
        import ray
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


def _share_of_a_worker(plan: Plan, resources: Mapping[str, float], workers_per_gpu: int) -> tuple[dict[str, Any], int]:
    """Share of a machine that a worker takes, and how many workers there can be at once."""
    gpus, cpus = resources.get("GPU", 0), resources.get("CPU", 1)
    if gpus and plan.origin["options"]["device"] in ("auto", "cuda"):
        return {"num_gpus": 1 / workers_per_gpu, "num_cpus": 1}, int(gpus * workers_per_gpu)
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    return {"num_cpus": threads}, max(1, int(cpus // threads))
