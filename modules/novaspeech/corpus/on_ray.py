"""Work on Ray: on this machine, or on the cluster that RAY_ADDRESS names.

Only rows and what became of them pass through Ray. A worker is an actor with the model in memory; one that dies is
started again by Ray, wherever there is room, and does again what it had in hand.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from novaspeech.corpus.ended import Ended
from novaspeech.corpus.plan import Plan
from novaspeech.corpus.processes import cores
from novaspeech.corpus.report import Events
from novaspeech.corpus.rows import Row
from novaspeech.corpus.worker import Worker
from novaspeech.errors import ModelError, NovaspeechError, RequestError, WeightsError, first_line, require

_THREADS, _CLUSTER = "OMP_NUM_THREADS", "RAY_ADDRESS"
_PAUSE_S = 60.0  # before a process ends over a fault: a broken GPU must not use up the attempts of many recordings
_MOST_STARTS = 100  # of a worker: a recording ends three processes at the most, a model too large all of them


def run_on_ray(
    rows: Sequence[Row], plan: Plan, events: Events, *, workers_per_gpu: int = 2, pause_s: float = _PAUSE_S
) -> Generator[Ended, None, None]:
    """Has rows done by workers that Ray starts.

    Args:
        workers_per_gpu: processes that share a GPU: while one reads or writes, the other computes.
        pause_s: seconds that a process waits before it ends over a fault that is no recording's.

    Raises:
        PackageError: Ray is missing.
        WeightsError: the model cannot be had.
        ModelError: all workers died again and again.
        RequestError: Ray is this machine's own, which has fewer cores than a worker takes.
    """
    with _connected() as ray:
        machines = [machine["Resources"] for machine in ray.nodes() if machine["Alive"]]
        share, workers = _share_of_a_worker(plan, machines, workers_per_gpu)
        if not workers:
            _say_too_small(share["num_cpus"], max(_cores(machine) for machine in machines), events)
        count = max(1, min(workers, len(rows)))
        events.log(f"Ray: {count} workers on {len(machines)} machines")
        actor = ray.remote(_Actor).options(max_restarts=_MOST_STARTS, max_task_retries=-1, **share)
        crew = [actor.remote(plan, pause_s) for _ in range(count)]
        try:
            yield from _handed_out(ray, crew, deque(plan.groups(rows)))
        finally:
            for one in crew:
                ray.kill(one)


def _handed_out(ray: Any, crew: Sequence[Any], waiting: deque[list[Row]]) -> Iterator[Ended]:
    """The end of each recording. A worker without work makes room for one that Ray is to start again."""
    left = sum(map(len, waiting))
    calls: dict[Any, tuple[Any, list[Row]]] = {
        worker.run.remote([]): (worker, []) for worker in crew
    }  # loads the model
    while left:
        [answer], _ = ray.wait(list(calls))
        worker, rows = calls.pop(answer)
        try:
            refused, ended = ray.get(answer)
        except ray.exceptions.RayError as error:  # Ray starts it no more
            if not calls:
                said = f"the last worker is lost ({first_line(error)}); mend that, and the same command goes on"
                raise ModelError(said) from error
            waiting.extend([row] for row in rows)
            continue
        if refused:
            raise WeightsError(f"a worker says: {refused}")
        known = {one.id: one for one in ended if not one.again}
        yield from known.values()
        left -= len(known)
        waiting.extend([row] for row in rows if row.id not in known)
        if waiting:
            rows = waiting.popleft()
            calls[worker.run.remote(rows)] = worker, rows
        else:
            ray.kill(worker)


class _Actor:
    """A worker, as Ray calls it: it says why its model cannot be had, and what became of recordings."""

    def __init__(self, plan: Plan, pause_s: float) -> None:
        self._worker, self._pause_s, self._had_fault = Worker(plan, Events()), pause_s, False

    def run(self, rows: Sequence[Row]) -> tuple[str, list[Ended]]:
        """What is wrong with the model, and the end of each row, up to one over which this process had a fault."""
        if self._had_fault:
            self._end()
        try:
            return self._run(rows)
        except Exception:  # noqa: BLE001 - whatever it is, another process may do better
            traceback.print_exc()
            self._end()

    def _run(self, rows: Sequence[Row]) -> tuple[str, list[Ended]]:
        try:
            self._worker.load()
        except NovaspeechError as error:
            return str(error), []
        ended = []
        for one in self._worker.run(rows):
            ended.append(one)
            if one.again:
                self._had_fault = True
                print(one.reason, one.trace, sep="\n", file=sys.stderr)
                return "", ended
        return "", ended

    def _end(self) -> NoReturn:
        """Ends the process after a pause; Ray starts another in its place, and asks it the same."""
        time.sleep(self._pause_s)
        os._exit(1)


@contextmanager
def _connected() -> Iterator[Any]:
    """Connects to Ray, inside: the one that is there already, that of RAY_ADDRESS, or one of this machine's own.

    Ray's own listens on the loopback address only. Usage statistics are off unless somebody turned them on.

    Raises:
        PackageError: Ray is missing.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    alone = _CLUSTER not in os.environ
    if alone:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # which else listens on all addresses
    with require("--engine ray needs Ray", "novaspeech[corpus]"):
        import ray
    if ray.is_initialized():
        yield ray
        return
    # Not one that runs here already; nobody looks at its dashboard.
    own = {"address": "local", "num_cpus": cores(), "_node_ip_address": "127.0.0.1", "include_dashboard": False}
    here: dict[str, Any] = own if alone else {}
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(logging_level=logging.WARNING, **here)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # Ray puts its own there, which ends the process at once
    try:
        yield ray
    finally:
        ray.shutdown()


def _share_of_a_worker(
    plan: Plan, machines: Sequence[Mapping[str, float]], workers_per_gpu: int
) -> tuple[dict[str, Any], int]:
    """Share of a machine that a worker takes, and how many workers there can be at once, maybe none."""
    gpus = sum(machine.get("GPU", 0) for machine in machines)
    if gpus and plan.origin["options"]["device"] in ("auto", "cuda"):
        return {"num_gpus": 1 / workers_per_gpu, "num_cpus": 1}, int(gpus * workers_per_gpu)
    threads = int(os.environ.get(_THREADS, "1"))
    return {"num_cpus": threads}, sum(_cores(machine) // threads for machine in machines)


def _cores(machine: Mapping[str, float]) -> int:
    return int(machine.get("CPU", 0))


def _say_too_small(wanted: int, largest: int, events: Events) -> None:
    """Says that no machine has room for a worker. To a cluster such a one may come, to Ray of this machine none."""
    said = f"no machine of Ray's has the {wanted} cores that {_THREADS} gives each worker; the largest has {largest}"
    if _CLUSTER not in os.environ:
        raise RequestError(f"{said}: set {_THREADS} to that or less")
    events.log(f"{said}: waiting for a larger one; else stop this, and set {_THREADS} to that or less")
