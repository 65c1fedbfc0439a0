"""A dozen recordings at a time through `novaspeech run`: each gives what Python gives of it, or one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

import novaspeech
from benchmarks.hardships_parts.base import Kind, Problem, Section, World
from benchmarks.hardships_parts.cases import Case, read_in_child
from benchmarks.hardships_parts.child import command, errors_in, run_child
from novaspeech.api import Model
from novaspeech.arrays import FloatArray

DOZEN = 12
DIMENSIONS = 64  # of the stand-in's embeddings


class Commands(Section):
    """Each trial is one command with a dozen files, drawn from those of the section `recordings`."""

    name = "commands"
    count = 3

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._sources, self._files, self._out = (self.folder / name for name in ("sources", "files", "out"))
        for folder in (self._sources, self._files):
            folder.mkdir()
        self._model: Model | None = None

    def try_one(self, index: int) -> list[Problem]:
        numbers = self.world.random(self.name, index).sample(range(10_000), DOZEN)
        files = {}
        for number in numbers:
            case = Case.draw(self.world, number)
            name = case.make(self.world, self._sources, self._files)
            unique = f"{case.name[:100]} {number}.{case.kind}"
            (self._files / name).rename(self._files / unique)
            files[unique] = case
        options = [f"--set={name}={value}" for name, value in self.world.options("w2v_bert_2").items()]
        # "./" because of names with a leading dash, as a shell's *.wav gives them to nobody's pleasure.
        words = ["run", "w2v_bert_2", *(f"./{name}" for name in files), "--out", str(self._out), *options]
        ended = run_child(command, words, str(self._files), folder=self.folder / "run", limit=240)
        problems = ended.problems("novaspeech run")
        said, more = errors_in(ended.printed)
        # Of the recordings after it, the command says what it does with them.
        more = [line for line in more if not line.startswith(tuple(f"{Path(name).stem}: " for name in files))]
        if more:
            problems.append(Problem(Kind.MESSAGE, f"lines that say nothing by themselves: {more[:3]}"))
        failed = 0
        for name, case in files.items():
            wrong, was_error = self._judge(name, case, said)
            problems += wrong
            failed += was_error
        if ended.code == 0 and ended.value != int(failed > 0):
            problems.append(Problem(Kind.WRONG, f"exit status {ended.value} with {failed} of {DOZEN} failed"))
        shutil.rmtree(self._out, ignore_errors=True)
        for file in (*self._files.iterdir(), *self.folder.glob("linked *")):
            file.unlink()
        return problems

    def _judge(self, name: str, case: Case, said: list[str]) -> tuple[list[Problem], bool]:
        """What is wrong with one file's outputs, and whether it was refused."""
        header = self._out / f"{Path(name).stem}.embeddings.stream"
        signal = read_in_child(self._files, name, self.folder / "read")[1]
        lines = [line for line in said if name in line or Path(name).stem in line]
        if not header.exists():
            if len(lines) != 1:
                return [Problem(Kind.MESSAGE, f"{case}: {len(lines)} lines instead of one: {lines}")], True
            kind = Kind.REFUSED if case.damage == "none" else None
            return ([Problem(kind, f"{case}: {lines[0][:300]}")] if kind else []), True
        if signal is None:
            return [Problem(Kind.WRONG, f"{case}: gave values, though its recording cannot be read")], False
        written = np.fromfile(f"{header}~", np.float32).reshape(-1, DIMENSIONS)
        wanted = self._of_signal(signal)
        # One more or less: the file's length in whole milliseconds is that at its own rate.
        count = min(len(written), len(wanted))
        if abs(len(written) - len(wanted)) > 1 or not np.allclose(written[:count], wanted[:count], atol=1e-3):
            return [
                Problem(Kind.WRONG, f"{case}: {len(written)} rows, which differ from {len(wanted)} in Python")
            ], False
        return [], False

    def _of_signal(self, signal: FloatArray) -> FloatArray:
        if self._model is None:
            self._model = novaspeech.load("w2v_bert_2", **self.world.options("w2v_bert_2"))
        return np.asarray(self._model((signal, 16000))["embeddings"])
