"""A corpus on Ray, of this machine and of a simulated cluster: what dies, and what is left."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from novaspeech.corpus.ended import Ended
from novaspeech.corpus.on_ray import _Actor, _say_too_small, _share_of_a_worker
from novaspeech.corpus.plan import Plan
from novaspeech.corpus.report import Events
from novaspeech.corpus.rows import Row
from novaspeech.corpus.worker import Worker
from tests.conftest import ROOT
from tests.novaspeech.corpus.conftest import DONE, Run, command, content, done, report, statuses, until

OUT = Path("out")


@contextmanager
def driver(
    model: Path, *more: str, inputs: Sequence[str] = ("talks",), threads: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, killed at the latest when this is left."""
    words = [sys.executable, *command(model, "--engine", "ray", *more, inputs=inputs)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "modules"), "OMP_NUM_THREADS": str(threads)}
    process = subprocess.Popen(words, stderr=subprocess.PIPE, env=environment, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def workers() -> dict[str, int]:
    """Id of each recording in hand → the process that has it."""
    found = {}
    for file in [*OUT.glob(".*.emow2v.json"), *OUT.glob("sub/.*.emow2v.json")]:
        with suppress(OSError, ValueError):
            for attempt in json.loads(file.read_text(encoding="utf-8")).get("tried", [])[-1:]:
                row = file.with_name(file.name.removeprefix(".").removesuffix(".emow2v.json"))
                found[row.relative_to(OUT).as_posix()] = attempt["process"]
    return found


def name_of(process: psutil.Process) -> str:
    """Its name; "" if it has ended."""
    with suppress(psutil.Error):
        return "" if process.status() == psutil.STATUS_ZOMBIE else process.name()
    return ""


def kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@pytest.fixture
def whole(run: Run) -> dict[str, bytes]:
    """What a plain run gives."""
    run(out="whole")
    return content("whole")


def listening(process: int) -> set[str]:
    """Addresses at which a process and all that it started listen."""
    found = set()
    for one in [psutil.Process(process), *psutil.Process(process).children(recursive=True)]:
        with suppress(psutil.Error):
            found |= {place.laddr.ip for place in one.net_connections() if place.status == psutil.CONN_LISTEN}
    return found


def a_plan(model: Path, **options: str) -> Plan:
    return Plan("emow2v", {"model": str(model), **options}, out="out", many=True).checked(lambda line: None)


def test_two_workers_share_a_gpu_and_on_cpus_each_has_its_threads(
    model: Path, talks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    there = [{"GPU": 4.0, "CPU": 31.0}, {"GPU": 4.0, "CPU": 31.0}, {}]
    assert _share_of_a_worker(a_plan(model), there, 2) == ({"num_gpus": 0.5, "num_cpus": 1}, 16)
    assert _share_of_a_worker(a_plan(model, device="cpu"), there, 2) == ({"num_cpus": 4}, 14)
    assert _share_of_a_worker(a_plan(model), [{"CPU": 2.0}, {"CPU": 3.0}], 2) == ({"num_cpus": 4}, 0)


def test_a_process_that_had_a_fault_tells_of_it_and_ends_after_a_pause(
    model: Path, talks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, which goes on where the real one would end."""
    waited: list[float] = []

    class Over(BaseException):
        pass

    def leave(status: int) -> None:
        raise Over

    def run(self: Worker, rows: Sequence[Row]) -> list[Ended]:
        return [Ended(row.id, row.place, "done", again=row.id == "broken") for row in rows]

    monkeypatch.setattr("novaspeech.corpus.on_ray.os._exit", leave)
    monkeypatch.setattr("novaspeech.corpus.on_ray.time.sleep", waited.append)
    monkeypatch.setattr(Worker, "run", run)
    actor = _Actor(a_plan(model), 30.0)

    assert actor.run([Row("good", "a.wav")]) == ("", [Ended("good", "a.wav", "done")])
    assert actor.run([Row("broken", "a.wav")])[1][0].again
    with pytest.raises(Over):
        actor.run([Row("good", "a.wav")])
    assert waited == [30]


def test_a_recording_that_kills_its_process_is_given_up_and_nobody_else_can_listen(
    whole: dict[str, bytes], talks: Path, model: Path
) -> None:
    samples, rate = soundfile.read(talks / "e.wav", dtype="float32")
    soundfile.write(talks / "killer.wav", np.concatenate([samples] * 200), rate)
    killed: list[int] = []
    heard: set[str] = set()
    with driver(model) as process:
        while process.poll() is None:
            killer = workers().get("killer")
            if killer and killer not in killed:
                killed.append(killer)
                heard |= listening(process.pid)
                kill(killer)
            time.sleep(0.01)
    assert len(killed) == 3
    assert {address.removeprefix("::ffff:") for address in heard} == {"127.0.0.1"}
    assert statuses() == DONE | {"killer": "failed"}
    assert report()["killer"]["reason"].startswith("given up: 3 processes ended over it, the last one on ")
    assert content() == whole


def test_a_driver_that_is_killed_leaves_no_process_and_nothing_in_part(
    whole: dict[str, bytes], run: Run, model: Path
) -> None:
    with driver(model) as process:
        until(lambda: done() >= 1)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    agents = {"ray::RuntimeEnvAgent", "ray::DashboardAgent"}  # they take a minute to see that Ray is gone
    psutil.wait_procs([one for one in family if name_of(one) not in agents], timeout=30)
    assert {name_of(one) for one in family} - {""} <= agents
    assert run() == 1  # anybody may go on
    assert statuses() == DONE
    assert content() == whole


def test_a_driver_that_is_told_to_end_writes_its_report_and_counts_no_attempt(model: Path, talks: Path) -> None:
    with driver(model) as process:
        until(lambda: done() >= 1)
        process.send_signal(signal.SIGTERM)  # as schedulers do before they kill
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.splitlines()[-1].endswith(" recordings done, and nothing half done; the same command goes on")
    assert statuses().keys() == DONE.keys()
    assert "not begun" in statuses().values()
    assert not workers()


def test_a_model_that_cannot_be_had_is_said_and_nothing_is_tried(model: Path, talks: Path) -> None:
    with driver(Path("nowhere")) as process:
        _, said = process.communicate(timeout=120)
    assert said.splitlines()[-1].startswith("novaspeech: a worker says: model 'nowhere' is neither a folder on this")
    assert not workers()
    assert set(statuses().values()) == {"not begun"}


def test_a_machine_with_too_few_cores_for_a_worker_is_said(model: Path, talks: Path) -> None:
    with driver(model, threads=999) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.match(
        r"novaspeech: no machine of Ray's has the 999 cores that OMP_NUM_THREADS gives each worker; the largest has "
        r"\d+: set OMP_NUM_THREADS to that or less$",
        said.splitlines()[-1],
    )
    assert not workers()


def test_a_cluster_may_get_a_larger_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    events = Events()
    events.log = said.append  # type: ignore[method-assign]
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
    _say_too_small(8, 4, events)
    [line] = said
    assert "has the 8 cores that OMP_NUM_THREADS gives each worker; the largest has 4: waiting for a larger one" in line


def test_a_machine_that_is_lost_costs_nothing(
    whole: dict[str, bytes], talks: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster of three machines, simulated on this one: the one that has nothing to do has the driver."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    shutil.copytree(talks, talks / "more")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_health_check_period_ms", "1000")  # after five without an answer a machine is lost
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "node_ip_address": "127.0.0.1"}
    )
    try:
        nodes = [cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1") for _ in range(2)]
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        with driver(model) as process:
            until(lambda: done() >= 1)
            cluster.remove_node(nodes[0], allow_graceful=False)
            assert process.wait(180) == 1
    finally:
        cluster.shutdown()
    assert statuses() == DONE | {f"more/{row_id}": status for row_id, status in DONE.items()}
    assert {name: data for name, data in content().items() if not name.startswith("more/")} == whole
