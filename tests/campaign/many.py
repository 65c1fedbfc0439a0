"""SIGKILL at random moments of `novaspeech run` over many recordings: all is there, once, whole, after the next run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import soundfile

from tests.campaign.base import ROOT, Kind, Problem, Section, World, files_below, until

RECORDINGS, SECONDS = 24, 16
LONGEST = 8.0  # seconds after the first result within which the kill comes
PATIENCE = 180.0  # seconds for a command to end
AGENTS = 90.0  # seconds: Ray's agents take a minute to see that their driver was killed
WAYS = (("--jobs", "2"), ("--engine", "ray"))


class Many(Section):
    """Each trial kills the command or one of its processes, here or on Ray, and runs it again."""

    name = "many"
    count = 12

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._talks, self._plain = self.folder / "talks", self.folder / "plain"
        self._talks.mkdir()
        samples, rate = soundfile.read(ROOT / "demo" / "recording.flac")
        for number in range(RECORDINGS):
            part = samples[number * rate // 10 :][: SECONDS * rate]
            soundfile.write(self._talks / f"{number:02}.wav", part, rate)
        (self._talks / "broken.wav").write_bytes(b"RIFF" + bytes(2000))
        self._wanted: Mapping[str, bytes] = {}

    def try_one(self, index: int) -> list[Problem]:
        if not self._wanted:
            self._start(self._plain, WAYS[0]).wait(PATIENCE)
            self._wanted = _results(self._plain)
        chance, way = self.world.random(self.name, index), WAYS[index // 2 % 2]
        out = self.folder / f"out {index}"
        label = f"{'the command' if index % 2 else 'a process'} of {' '.join(way)} killed"
        process = self._start(out, way)
        until(lambda: bool(_results(out)) or process.poll() is not None, PATIENCE)
        time.sleep(chance.uniform(0, LONGEST))
        family = _family(process)
        for victim in [process] if index % 2 else chance.sample(family, min(1, len(family))):
            victim.kill()
        problems = self._ended(process, label, None if index % 2 else 1)
        problems += self._ended(self._start(out, chance.choice(WAYS)), f"{label}, run again", 1)
        found = _results(out)
        if found != self._wanted:
            differ = sorted(name for name in found.keys() | self._wanted if found.get(name) != self._wanted.get(name))
            problems.append(Problem(Kind.WRONG, f"{label}: other files or bytes: {differ[:4]}"))
        if not until(lambda: not any(map(_name, family)), AGENTS):
            problems.append(Problem(Kind.LEFT, f"{label}: left {[_name(one) for one in family if _name(one)]}"))
        shutil.rmtree(out, ignore_errors=True)
        return problems

    def _start(self, out: Path, way: tuple[str, ...]) -> subprocess.Popen[bytes]:
        options = [f"--set={name}={value}" for name, value in self.world.options("emow2v").items()]
        words = ["run", "emow2v", str(self._talks), "--out", str(out), "--output", "arousal", *options, *way]
        command = [sys.executable, "-m", "novaspeech", *words]
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _ended(self, process: subprocess.Popen[bytes], label: str, wanted: int | None) -> list[Problem]:
        """Waits for a command's end; one recording is broken, so its status has to be 1."""
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return [Problem(Kind.HANG, f"{label}: no end in {PATIENCE:.0f} s")]
        return [] if wanted in (None, status) else [Problem(Kind.WRONG, f"{label}: it ended with {status}")]


def _results(out: Path) -> dict[str, bytes]:
    """Annotations below a folder, by their names."""
    return {name: content for name, content in files_below(out).items() if ".annotation" in name and name[0] != "."}


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """All processes that it started and that compute."""
    with suppress(psutil.Error):
        return [
            one
            for one in psutil.Process(process.pid).children(recursive=True)
            if "python" in _name(one) or "ray::" in _name(one)
        ]
    return []


def _name(process: psutil.Process) -> str:
    """A process's name; "" if it has ended."""
    with suppress(psutil.Error):
        return "" if process.status() == psutil.STATUS_ZOMBIE else process.name()
    return ""
