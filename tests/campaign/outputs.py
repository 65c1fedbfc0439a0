"""A module's outputs on disk, before and after: those of an earlier request, those of a newer one, whole or not."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from novaspeech.module.catalogue import load_trainer
from tests.campaign.base import ROOT, Kind, Problem, World, files_below
from tests.campaign.child import command, run_child

OLD_END, NEW_SECONDS = "8s", 30
Pairs = Mapping[str, bytes]  # file → its bytes, headers and data


@dataclass(frozen=True)
class Work:
    """A request, and what it gives when nothing disturbs it.

    Attributes:
        module: its name.
        recording: its input.
        words: of `novaspeech`, but where the outputs go.
        old, new: files of an earlier request, which ended sooner, and of this one.
        seconds: that it takes.
    """

    module: str
    recording: Path
    words: Sequence[str]
    old: Pairs
    new: Pairs
    seconds: float

    def lay_old(self, out: Path) -> None:
        """Makes a folder that holds what the earlier request left."""
        out.mkdir(exist_ok=True)
        for name, content in self.old.items():
            (out / name).write_bytes(content)

    def judge(self, out: Path, *, may_be_absent: bool) -> list[Problem]:
        """What is wrong with the outputs in a folder after this request did not come to its end, or did."""
        problems = []
        found = _results(out)
        for header in (name for name in self.new if not name.endswith("~")):
            pair = [found.get(name) for name in (header, f"{header}~")]
            whole = [[pairs.get(name) for name in (header, f"{header}~")] for pairs in (self.old, self.new)]
            if pair in whole:
                continue
            if pair[0] is not None:
                problems.append(Problem(Kind.HALF, f"{header} is neither the old one nor the new one"))
            elif not may_be_absent:
                problems.append(Problem(Kind.LOST, f"the earlier {header} is gone"))
        return problems

    def is_new(self, out: Path) -> bool:
        """Whether a folder holds all that this request gives."""
        found = _results(out)
        return all(found.get(name) == content for name, content in self.new.items())

    def strangers(self, out: Path) -> list[str]:
        """Names in a folder that are none of the outputs', nor of records of runs."""
        names = (entry.name for entry in out.iterdir()) if out.is_dir() else ()
        return sorted(name for name in names if name not in self.new and not name.endswith(".json"))


def _results(out: Path) -> dict[str, bytes]:
    """The whole outputs below a folder."""
    found = files_below(out).items()
    return {name: content for name, content in found if name[0] != "." and not name.endswith(".json")}


def make_work(world: World, module: str, folder: Path) -> Work:
    """Runs a module undisturbed, for an earlier request and for the one that will be disturbed."""
    recording = folder / "long.wav"
    if not recording.exists():
        source = ["-stream_loop", "9", "-i", str(ROOT / "demo" / "recording.flac"), "-t", str(NEW_SECONDS)]
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *source, "-ar", "16000", str(recording)], check=True)
    options = [f"--set={name}={value}" for name, value in world.options(module).items()]
    outputs = [f"--output={entry.io_id}" for entry in load_trainer(module).outputs]
    words = ["run", module, str(recording), *options, *outputs]
    found, seconds = [], 0.0
    for more in (["--end", OLD_END], []):
        out = folder / f"{module} reference {len(more)}"
        ended = run_child(command, [*words, *more, "--out", str(out)], str(folder), folder=folder / "first", limit=300)
        if ended.value != 0:
            raise RuntimeError(f"{module} cannot be run undisturbed: {ended.printed[-500:]}")
        found.append(_results(out))
        seconds = ended.seconds
    return Work(module, recording, words, found[0], found[1], seconds)
