"""A corpus on Ray, of this machine and of a simulated cluster: what dies, and what is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from novaspeech.batch.order import Order
from novaspeech.corpus.job import Job
from novaspeech.corpus.ledger import Ended
from novaspeech.corpus.on_ray import _Actor, _share_of_a_worker, blocks_of
from novaspeech.corpus.rows import Row
from novaspeech.corpus.worker import Worker
from tests.conftest import ROOT
from tests.novaspeech.corpus.conftest import content
from tests.novaspeech.corpus.test_corpus import DONE, Command, report, statuses

BEGUN, ENDED = Path("out/.corpus/begun"), Path("out/.corpus/ended")


@contextmanager
def driver(model: Path, *more: str, inputs: Sequence[str] = ("talks",)) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, killed at the latest when this is left."""
    command = [sys.executable, "-m", "novaspeech", "corpus", "emow2v", *inputs, "--out", "out", "--engine", "ray"]
    command += ["--output", "arousal", "--output", "embedding", "--set", f"model={model}", *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "modules"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(reached: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it did not come to it"
        time.sleep(0.01)


def ended() -> int:
    return len(list(ENDED.rglob("*.json")))


def workers() -> dict[str, int]:
    """Id of each recording in hand → the process that has it."""
    found = {}
    for file in list(BEGUN.rglob("*.json")):
        with suppress(OSError, ValueError):
            for attempt in json.loads(file.read_text(encoding="utf-8"))[-1:]:
                found[file.relative_to(BEGUN).with_suffix("").as_posix()] = attempt["process"]
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
def whole(corpus: Command) -> dict[str, bytes]:
    """What a plain run gives."""
    corpus(out="whole")
    return content("whole")


def listening(process: int) -> set[str]:
    """Addresses at which a process and all that it started listen."""
    found = set()
    for one in [psutil.Process(process), *psutil.Process(process).children(recursive=True)]:
        with suppress(psutil.Error):
            found |= {place.laddr.ip for place in one.net_connections() if place.status == psutil.CONN_LISTEN}
    return found


def a_job(model: Path, **options: str) -> Job:
    return Job.of(Order("emow2v", {"model": str(model), **options}), "out", 1, lambda line: None)


def test_blocks_are_small_beside_what_a_worker_does_and_keep_the_order() -> None:
    rows = [Row(str(number), "", size) for number, size in enumerate([3600.0] * 3 + [10.0] * 997)]
    blocks = blocks_of(rows, workers=4, together=1)
    assert [row for block in blocks for row in block] == rows
    lengths = list(map(len, blocks))
    assert lengths[:4] == [1, 1, 1, 16]  # of 20,770 s each worker's part is 1,298
    assert lengths[3:] == sorted(lengths[3:], reverse=True)
    assert lengths[-16:] == [1] * 16
    assert len(lengths) < 120
    assert max(map(len, blocks_of(rows[3:], workers=1, together=64))) == 64
    assert blocks_of([Row("a", ""), Row("b", "")], workers=1, together=1) == [[Row("a", "")], [Row("b", "")]]


def test_two_workers_share_a_gpu_and_on_cpus_each_has_its_threads(
    model: Path, talks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    there = {"GPU": 8.0, "CPU": 64.0}
    assert _share_of_a_worker(a_job(model), there, 2) == ({"num_gpus": 0.5, "num_cpus": 1}, 16)
    assert _share_of_a_worker(a_job(model, device="cpu"), there, 2) == ({"num_cpus": 4}, 16)
    assert _share_of_a_worker(a_job(model), {"CPU": 2.0}, 2) == ({"num_cpus": 4}, 1)


def test_a_process_that_ends_over_a_fault_waits_longer_each_time(
    model: Path, talks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, which goes on where the real one would end."""
    waited: list[float] = []

    class Over(BaseException):
        pass

    def leave(status: int) -> None:
        raise Over

    def run(self: Worker, rows: Sequence[Row]) -> list[Ended]:
        if rows[0].id == "broken":
            raise RuntimeError("CUDA error")
        return [Ended(row.id, row.place, "done") for row in rows]

    monkeypatch.setattr("tempfile.tempdir", str(Path.cwd()))
    monkeypatch.setattr("novaspeech.corpus.on_ray.os._exit", leave)
    monkeypatch.setattr("novaspeech.corpus.on_ray.time.sleep", waited.append)
    monkeypatch.setattr(Worker, "run", run)
    actor = _Actor(a_job(model), 30.0)

    def block(row_id: str) -> dict[str, np.ndarray]:
        return {"id": np.array([row_id]), "place": np.array(["a.wav"]), "size": np.array([1.0])}

    for _ in range(7):
        with pytest.raises(Over):
            actor(block("broken"))
    assert waited == [30, 60, 120, 240, 480, 900, 900]
    [line] = actor(block("good"))["line"]
    assert Ended.from_json(line.encode()).id == "good"
    with pytest.raises(Over):
        actor(block("broken"))
    assert waited[-1] == 30


def test_a_recording_that_kills_its_process_is_given_up_and_nobody_else_can_listen(
    whole: dict[str, bytes], talks: Path, model: Path
) -> None:
    command = ["ffmpeg", "-v", "error", "-stream_loop", "200", "-i", talks / "e.wav", talks / "killer.wav"]
    subprocess.run(command, check=True)
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
    whole: dict[str, bytes], corpus: Command, model: Path
) -> None:
    with driver(model) as process:
        until(lambda: ended() >= 1)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    agents = {"ray::RuntimeEnvAgent", "ray::DashboardAgent"}  # they take a minute to see that Ray is gone
    psutil.wait_procs([one for one in family if name_of(one) not in agents], timeout=30)
    assert {name_of(one) for one in family} - {""} <= agents
    assert corpus() == 1  # anybody may go on
    assert statuses() == DONE
    assert content() == whole


def test_a_driver_that_is_told_to_end_writes_its_report_and_counts_no_attempt(model: Path, talks: Path) -> None:
    with driver(model) as process:
        until(lambda: ended() >= 1)
        process.send_signal(signal.SIGTERM)  # as schedulers do before they kill
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "novaspeech: stopped; the same command goes on where it was"
    assert statuses().keys() == DONE.keys()
    assert "not begun" in statuses().values()
    assert not list(BEGUN.rglob("*.json"))


def test_a_model_that_cannot_be_had_is_said_and_nothing_is_tried(model: Path, talks: Path) -> None:
    with driver(Path("nowhere")) as process:
        _, said = process.communicate(timeout=120)
    assert said.splitlines()[-1].startswith("novaspeech: a worker says: model 'nowhere' is neither a folder on this")
    assert not BEGUN.exists()
    assert set(statuses().values()) == {"not begun"}


def test_a_machine_that_is_lost_costs_nothing(
    whole: dict[str, bytes], talks: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster of three machines, simulated on this one: the one that has nothing to do has the driver."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    shutil.copytree(talks, talks / "more")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "node_ip_address": "127.0.0.1"}
    )
    try:
        nodes = [cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1") for _ in range(2)]
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        with driver(model) as process:
            until(lambda: ended() >= 1)
            cluster.remove_node(nodes[0], allow_graceful=False)
            assert process.wait(180) == 1
    finally:
        cluster.shutdown()
    assert statuses() == DONE | {f"more/{row_id}": status for row_id, status in DONE.items()}
    assert {name: data for name, data in content().items() if not name.startswith("more/")} == whole
