"""A small corpus, the command that works on it, and what it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import soundfile

from benchmarks.machine import syllables
from demo.standins import make_standin

RATE = 16_000
ROOT = Path(__file__).resolve().parents[2]
_EVERY_S = 0.1  # between two looks at the processes


@dataclass
class Material:
    """Recordings and a model in a folder.

    Attributes:
        folder: of everything; the recordings are in `talks` below it.
        options: what the command is given besides.
    """

    folder: Path
    options: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.model = make_standin("emow2v", self.folder / "emow2v")

    def record(self, seconds: Sequence[float]) -> Path:
        """Writes recordings of these lengths; gives their folder."""
        talks = self.folder / "talks"
        talks.mkdir()
        sound = syllables(round(max(seconds) * RATE) + RATE).astype(np.float32)
        for number, length in enumerate(seconds):
            soundfile.write(talks / f"{number:04}.wav", sound[number : number + round(length * RATE)], RATE)
        return talks

    def command(self, place: str, out: str, *more: str) -> list[str]:
        """The command over recordings at a place."""
        words = [sys.executable, "-m", "novaspeech", "run", "emow2v", place, "--out", out, "--output", "arousal"]
        return [*words, "--set", f"model={self.model}", *self.options, *more]


def environment() -> dict[str, str]:
    """Of the command: our code, a thread for each process."""
    ours = {"PYTHONPATH": f"{ROOT / 'modules'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **ours, "RAY_USAGE_STATS_ENABLED": "0"}


@dataclass
class Family:
    """Processes and all that they start.

    Attributes:
        cpu: process and when it began → seconds of processor time that it took.
        seconds: from their start to the end of the last.
    """

    commands: Sequence[Sequence[str]]
    cpu: dict[tuple[int, float], float] = field(default_factory=dict)
    seconds: float = 0.0

    def run(self) -> Family:
        """Runs them at once to their ends."""
        began = time.monotonic()
        processes = [
            subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            for command in self.commands
        ]
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=([psutil.Process(one.pid) for one in processes], over))
        watcher.start()
        for process in processes:
            process.wait()
        self.seconds = time.monotonic() - began
        over.set()
        watcher.join()
        return self

    def _watch(self, roots: Sequence[psutil.Process], over: threading.Event) -> None:
        while not over.wait(_EVERY_S):
            for root in roots:
                with suppress(psutil.Error):
                    for process in [root, *root.children(recursive=True)]:
                        with suppress(psutil.Error):
                            times = process.cpu_times()
                            self.cpu[process.pid, process.create_time()] = times.user + times.system

    @property
    def cpu_seconds(self) -> float:
        """Of all of them."""
        return sum(self.cpu.values())


def results_in(out: Path) -> dict[str, bytes]:
    """Of the files of a place those that have to be the same, however they came about."""
    files = {file.relative_to(out).as_posix(): file for file in out.rglob("*") if file.is_file()}
    return {name: file.read_bytes() for name, file in files.items() if file.name[0] not in "._" and name[0] != "."}
