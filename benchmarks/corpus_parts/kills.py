"""SIGKILL at random moments to a worker, the driver, a machine: is all there, once, whole, after the next run?"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
import psutil

from benchmarks.corpus_parts.material import Material, environment, results_in
from benchmarks.hardships_parts.base import files_below, until
from tests.novaspeech.corpus.flaky_s3 import Flaky, flaky_s3

_RECORDINGS, _SECONDS = 24, 16.0
# Up to here lies the moment of a kill: of a driver after its start, else after the first recording was begun.
_LONGEST_S = {"a worker": 8.0, "the driver": 14.0, "a machine": 8.0}
_AGENTS_S = 90.0  # Ray's agents take a minute to see that their driver was killed
_FAILING = 0.05  # of the bucket's answers
_PATIENCE_S = 180.0  # for a command to end
_EVERY_S = 0.1  # between two looks at the processes
_SILENT: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
_WHOM, _WHERE = ("a worker", "the driver", "a machine"), ("a folder", "a bucket")


@dataclass
class Trial:
    """What was killed where, and what came of it.

    Attributes:
        kind: what was to be killed, and where the results lie.
        struck: whether it was there, and the command at work, when the kill came.
        again: recordings that were tried more than once.
        short: what fell short.
    """

    kind: tuple[str, str]
    struck: bool = False
    again: int = 0
    short: list[str] = field(default_factory=list)


@dataclass
class Campaign:
    """Trials over one corpus.

    Attributes:
        plain: what a plain run gives.
        statuses: of each recording in its report.
        known: all processes that were ever below this one.
    """

    material: Material
    talks: Path
    plain: dict[str, bytes]
    statuses: dict[str, str]
    server: Flaky
    chance: random.Random
    known: set[psutil.Process] = field(default_factory=set)

    def trial(self, number: int, whom: str, where: str) -> Trial:
        """Kills, runs again, in half of the trials on Ray, and looks at what is there."""
        trial = Trial((whom, where))
        out = Path(self.material.folder, f"out{number}")
        talks, place = (
            (str(self.talks), str(out)) if where == _WHERE[0] else ("s3://lab/talks", f"s3://lab/out{number}")
        )
        scratch = Path(self.material.folder, f"tmp{number}")
        scratch.mkdir()
        self.server.share = _FAILING
        on_ray = ["--engine", "ray"]
        self._killed(self.material.command(talks, place, *on_ray), trial, scratch)
        command = self.material.command(talks, place, *(on_ray if self.chance.random() < 0.5 else []))
        process = subprocess.Popen(command, env=environment(TMPDIR=str(scratch)), **_SILENT)
        trial.short += _ended(process, "the second run")
        self.server.share = 0.0
        if where == _WHERE[1]:
            fsspec.filesystem("s3").invalidate_cache()
            fsspec.filesystem("s3").get(f"lab/out{number}", str(out), recursive=True)
        trial.short += self._short(out, scratch)
        with suppress(OSError, ValueError):
            trial.again = sum(row["attempts"] > 1 for row in _report(out))
        return trial

    def _killed(self, command: list[str], trial: Trial, scratch: Path) -> None:
        """Runs the command, and kills at a random moment; without a worker or a machine the rest has to go on."""
        whom = trial.kind[0]
        with _cluster(whom == _WHOM[2]) as (more, lose):
            process = subprocess.Popen(command, env=environment(TMPDIR=str(scratch), **more), **_SILENT)
            if whom != _WHOM[1]:  # the driver may be killed before there is anything else
                place = command[command.index("--out") + 1]
                until(lambda: _begun(place) or process.poll() is not None, 60)
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.chance.uniform(0, _LONGEST_S[whom]))
            workers, trial.struck = _workers(), process.poll() is None
            if whom == _WHOM[1]:
                process.kill()
                process.wait()
                return
            if whom == _WHOM[2] and trial.struck:
                lose()
            elif whom == _WHOM[0]:
                trial.struck = trial.struck and bool(workers)
                for worker in self.chance.sample(workers, min(1, len(workers))):
                    worker.kill()
            trial.short += _ended(process, "what was left")

    def _short(self, out: Path, scratch: Path) -> Iterator[str]:
        results = results_in(files_below(out))
        wrong = sorted(results.keys() ^ self.plain.keys())
        if wrong:
            yield f"other files: {wrong[:4]}"
        elif results != self.plain:
            yield "other bytes"
        rows = _report(out)
        if len(rows) != len(self.statuses) or {row["id"]: row["status"] for row in rows} != self.statuses:
            yield f"the report has {len(rows)} lines, {dict(Counter(row['status'] for row in rows))}"
        left = [*scratch.glob("novaspeech-*"), *(out / ".corpus" / "scratch").glob("*")]
        if left:
            yield f"left on the way: {[file.name for file in left]}"

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, each process that starts below this one gets known, those of Ray and of lost machines, too."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_EVERY_S):
                with suppress(psutil.Error):
                    self.known.update(psutil.Process().children(recursive=True))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def left(self) -> list[str]:
        """Names of the processes that are still there after a while."""
        until(lambda: not any(map(_name, self.known)), _AGENTS_S)
        return [name for name in map(_name, self.known) if name]


def kills(count: int, seed: int) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder, flaky_s3(0.0) as (address, server):
        keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1"}
        os.environ.update(keys, AWS_ENDPOINT_URL=address)
        campaign = _campaign(Path(folder), server, seed)
        trials: list[Trial] = []
        with campaign.watched():
            for number in range(count):
                where = _WHERE[number // 3 % 2] if number % 3 < 2 else _WHERE[0]
                trials.append(campaign.trial(number, _WHOM[number % 3], where))
                said = "; ".join(trials[-1].short) or "all there, once, whole"
                print(f"{number + 1}: {', '.join(trials[-1].kind)}: {said}", flush=True)
        print("\n| killed | results in | trials | at work | recordings tried again | fell short | why |")
        print("|---|---|---|---|---|---|---|")
        for kind in sorted({trial.kind for trial in trials}):
            mine = [trial for trial in trials if trial.kind == kind]
            why = "; ".join(sorted({text for trial in mine for text in trial.short})) or "–"
            print(
                f"| {kind[0]} | {kind[1]} | {len(mine)} | {sum(trial.struck for trial in mine)} | "
                f"{sum(trial.again for trial in mine)} | {sum(bool(trial.short) for trial in mine)} | {why} |"
            )
        print(f"\n{server.failed} of the bucket's answers failed.")
        print(f"Of {len(campaign.known)} processes left: {', '.join(campaign.left()) or 'none'}.")


def _campaign(folder: Path, server: Flaky, seed: int) -> Campaign:
    """Recordings in a folder and a bucket, of which one is broken, and what a plain run gives."""
    material = Material(folder, ("--set", "device=cpu"))
    talks = material.record([_SECONDS] * _RECORDINGS)
    material.spoil()
    fsspec.filesystem("s3").mkdir("lab")
    fsspec.filesystem("s3").put(str(talks), "lab/talks", recursive=True)
    plain = folder / "plain"
    process = subprocess.Popen(material.command(str(talks), str(plain)), env=environment(), **_SILENT)
    statuses = dict.fromkeys((file.stem for file in talks.iterdir()), "done") | {"broken": "failed"}
    if _ended(process, "") or {row["id"]: row["status"] for row in _report(plain)} != statuses:
        raise SystemExit("the plain run does not do what it has to")
    chance = random.Random(seed)  # noqa: S311 - no secret
    return Campaign(material, talks, results_in(files_below(plain)), statuses, server, chance)


def _ended(process: subprocess.Popen[bytes], which: str) -> list[str]:
    """Waits for the end of a command; what is wrong with it. One recording is broken, so it has to be 1."""
    try:
        status = process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return [f"{which} did not end in {_PATIENCE_S:.0f} s"]
    return [] if status == 1 else [f"{which} ended with {status}"]


def _report(out: Path) -> list[dict[str, Any]]:
    file = out / "report.jsonl"
    return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []


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


def _begun(place: str) -> bool:
    """Whether a recording is in hand, or was."""
    files, path = fsspec.core.url_to_fs(place)
    files.invalidate_cache()
    return any(files.find(f"{path}/.corpus/{part}") for part in ("begun", "ended"))


def _workers() -> list[psutil.Process]:
    """Those of all that this process started."""
    return [one for one in psutil.Process().children(recursive=True) if _name(one).startswith("ray::MapWorker")]


def _name(process: psutil.Process) -> str:
    """A process's name; "" if it has ended."""
    with suppress(psutil.Error):
        return "" if process.status() == psutil.STATUS_ZOMBIE else process.name()
    return ""
