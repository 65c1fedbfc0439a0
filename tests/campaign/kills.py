"""SIGKILL at random moments of `novaspeech run`: what is on the disk then, and what the next run makes of it."""

from __future__ import annotations

import shutil
import time
from functools import cache
from pathlib import Path

from tests.campaign.base import Kind, Problem, Section, World, age, until
from tests.campaign.child import Child, command, run_child
from tests.campaign.outputs import Work, make_work

MODULES = ("emow2v", "w2v_bert_2")  # four outputs and one


class Kills(Section):
    """Each trial is one command that is killed, and another one after it."""

    name = "kills"
    count = 60

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._work = cache(lambda module: make_work(world, module, self.folder))

    def try_one(self, index: int) -> list[Problem]:
        work = self._work(MODULES[index % len(MODULES)])
        chance = self.world.random(self.name, index)
        out, scratch = self.folder / "out", self.folder / "scratch"
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(scratch, ignore_errors=True)  # what a killed process has in TMPDIR is the system's to clear
        work.lay_old(out)
        words = [*work.words, "--out", str(out)]
        child = Child(command, words, str(self.folder), folder=scratch)
        if index % 4 < 2:  # of each module in turn: anywhere, or while outputs are saved
            time.sleep(chance.uniform(0, 1.05 * work.seconds))
        else:
            until(lambda: bool(work.strangers(out)), 10 * work.seconds + 30, 0.0005)
            time.sleep(chance.choice((0, chance.uniform(0, 0.03))))
        child.kill()
        ended = child.wait(30)
        label = f"{work.module} killed after {ended.seconds:.2f} s"
        problems = [Problem(found.kind, f"{label}: {found.text}") for found in work.judge(out, may_be_absent=True)]
        problems += [found for found in ended.problems(label) if found.kind is Kind.LEFT and "process" in found.text]
        return problems + self._run_again(work, words, out, label)

    def _run_again(self, work: Work, words: list[str], out: Path, label: str) -> list[Problem]:
        """What is wrong with the next run, and with one two days later.

        Another run cannot know whether a writer on another machine still lives, and leaves its folder for a day.
        """
        problems = []
        for days in (0, 2):
            ended = run_child(command, words, str(self.folder), folder=self.folder / "again", limit=120)
            problems += ended.problems(f"{label}, run again")
            if ended.value != 0 or not work.is_new(out):
                said = ended.printed.strip()[-200:]
                problems.append(Problem(Kind.WRONG, f"{label}: the next run ends with {ended.value}: {said}"))
            strangers = work.strangers(out)
            if not strangers:
                break
            if days:
                problems.append(Problem(Kind.LEFT, f"{label}: two days and a run later there still is {strangers}"))
            for name in strangers:
                age(out / name)
        return problems
