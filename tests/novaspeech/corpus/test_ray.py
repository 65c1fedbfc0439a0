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

import psutil
import pytest

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


def test_a_driver_that_is_killed_leaves_no_process_and_nothing_in_part(whole: dict[str, bytes], model: Path) -> None:
    with driver(model) as process:
        until(lambda: ended() >= 1)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    agents = {"ray::RuntimeEnvAgent", "ray::DashboardAgent"}  # they take a minute to see that Ray is gone
    psutil.wait_procs([one for one in family if name_of(one) not in agents], timeout=30)
    assert {name_of(one) for one in family} - {""} <= agents
    with driver(model) as process:
        assert process.wait(120) == 1
    assert statuses() == DONE
    assert content() == whole


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
