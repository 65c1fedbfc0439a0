"""SIGKILL at random moments to a worker, the driver, a machine: is all there, once, whole, after the next run?"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import fsspec
import psutil

from benchmarks.corpus_parts.material import Material, environment, results_in
from benchmarks.hardships_parts.base import files_below, until
from tests.novaspeech.corpus.flaky_s3 import Flaky, flaky_s3

_RECORDINGS, _SECONDS = 24, 8.0
# Up to here lies the moment of a kill: of a driver after its start, else after that of the first worker.
_LONGEST_S = {"a worker": 8.0, "the driver": 14.0, "a machine": 8.0}
_AGENTS_S = 90.0  # Ray's agents take a minute to see that their driver was killed
_FAILING = 0.05  # of the bucket's answers
_WHOM, _WHERE = ("a worker", "the driver", "a machine"), ("a folder", "a bucket")


@dataclass
class Campaign:
    """Trials over one corpus.

    Attributes:
        plain: what a plain run gives.
        known: all processes that trials had.
        struck: trials in which the command was still at work when the kill came.
    """

    material: Material
    talks: Path
    plain: dict[str, bytes]
    server: Flaky
    chance: random.Random
    known: list[psutil.Process]
    struck: int = 0

    def trial(self, number: int, whom: str, where: str) -> list[str]:
        """What fell short."""
        out = Path(self.material.folder, f"out{number}")
        talks, place = (
            (str(self.talks), str(out)) if where == _WHERE[0] else ("s3://lab/talks", f"s3://lab/out{number}")
        )
        scratch = Path(self.material.folder, f"tmp{number}")
        scratch.mkdir()
        self.server.share = _FAILING
        self._killed(self.material.command(talks, place, "--engine", "ray"), whom, scratch)
        again = subprocess.run(
            self.material.command(talks, place), env=environment(TMPDIR=str(scratch)), capture_output=True, check=False
        )
        self.server.share = 0.0
        if where == _WHERE[1]:
            fsspec.filesystem("s3").invalidate_cache()
            fsspec.filesystem("s3").get(f"lab/out{number}", str(out), recursive=True)
        return [*([again.stderr.decode()[-300:]] if again.returncode else []), *self._short(out, scratch)]

    def _killed(self, command: list[str], whom: str, scratch: Path) -> None:
        """Runs the command, and kills at a random moment; a worker or machine that is lost leaves the rest at work."""
        with _cluster(whom == _WHOM[2]) as (more, lose):
            process = subprocess.Popen(
                command,
                env=environment(TMPDIR=str(scratch), **more),
                stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            if whom != _WHOM[1]:  # the driver may be killed before there is anything else
                until(lambda: bool(_workers()) or process.poll() is not None, 60)
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.chance.uniform(0, _LONGEST_S[whom]))
            self.struck += process.poll() is None
            with suppress(psutil.Error):
                self.known += psutil.Process(process.pid).children(recursive=True)
            if whom == _WHOM[0]:
                for worker in _workers()[:1]:
                    os.kill(worker.pid, signal.SIGKILL)
            elif whom == _WHOM[1]:
                process.kill()
            elif process.poll() is None:
                lose()
            with suppress(subprocess.TimeoutExpired):
                process.wait(180)
            process.kill()

    def _short(self, out: Path, scratch: Path) -> Iterator[str]:
        files = files_below(out)
        results = results_in(files)
        if results != self.plain:
            wrong = sorted(results.keys() ^ self.plain.keys())
            yield f"other files: {wrong[:4]}" if wrong else "other bytes"
        rows = [json.loads(line) for line in files.get("report.jsonl", b"").splitlines()]
        if Counter(row["id"] for row in rows) != Counter(file.stem for file in self.talks.iterdir()):
            yield "the report has not each recording once"
        if any(row["status"] != "done" for row in rows):
            yield f"the report says {Counter(row['status'] for row in rows)}"
        left = [file.name for file in scratch.glob("novaspeech-*") if not file.name.startswith("novaspeech-faults")]
        if left:
            yield f"left on the way: {left}"

    def left(self) -> list[str]:
        """Names of the processes that are still there after a while."""
        until(lambda: not any(map(_name, self.known)), _AGENTS_S)
        return [name for name in map(_name, self.known) if name]


def kills(count: int, seed: int) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder, flaky_s3(0.0) as (address, server):
        keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1"}
        os.environ.update(keys, AWS_ENDPOINT_URL=address)
        material = Material(Path(folder), ("--set", "device=cpu"))
        talks = material.record([_SECONDS] * _RECORDINGS)
        fsspec.filesystem("s3").mkdir("lab")
        fsspec.filesystem("s3").put(str(talks), "lab/talks", recursive=True)
        subprocess.run(material.command(str(talks), f"{folder}/plain"), env=environment(), check=True)
        plain = results_in(files_below(Path(folder, "plain")))
        campaign = Campaign(material, talks, plain, server, random.Random(seed), [])  # noqa: S311 - no secret
        tried, short = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for number in range(count):
            kind = _WHOM[number % 3], _WHERE[number // 3 % 2] if number % 3 < 2 else _WHERE[0]
            found = campaign.trial(number, *kind)
            tried[kind] += 1
            short[kind] += bool(found)
            print(f"{number + 1}: {', '.join(kind)}: {'; '.join(found) or 'all there, once, whole'}", flush=True)
        print("\n| killed | results in | trials | fell short |\n|---|---|---|---|")
        for (whom, where), trials in sorted(tried.items()):
            print(f"| {whom} | {where} | {trials} | {short[whom, where]} |")
        print(f"\nStill at work when the kill came: {campaign.struck} of {count}.")
        print(f"{server.failed} of the bucket's answers failed. Processes left: {campaign.left() or 'none'}.")


@contextmanager
def _cluster(wanted: bool) -> Iterator[tuple[dict[str, str], Callable[[], None]]]:
    """Inside, a cluster of three machines is simulated on this one, if it is wanted; gives how one is lost."""
    if not wanted:
        yield {}, lambda: None
        return
    os.environ.update(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_USAGE_STATS_ENABLED="0")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "node_ip_address": "127.0.0.1"})
    try:
        machines = [cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1") for _ in range(2)]
        yield {"RAY_ADDRESS": cluster.address}, lambda: cluster.remove_node(machines[0], allow_graceful=False)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]


def _workers() -> list[psutil.Process]:
    """Those of all that this process started."""
    return [one for one in psutil.Process().children(recursive=True) if _name(one).startswith("ray::MapWorker")]


def _name(process: psutil.Process) -> str:
    """A process's name; "" if it has ended."""
    with suppress(psutil.Error):
        return "" if process.status() == psutil.STATUS_ZOMBIE else process.name()
    return ""
