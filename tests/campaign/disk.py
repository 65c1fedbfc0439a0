"""Full disks, limits, folders that cannot be written and folders that vanish: an earlier output must outlive them."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path

from tests.campaign.base import Kind, Problem, Section, World, until
from tests.campaign.child import Child, Ended, command, errors_in, run_child
from tests.campaign.kills import MODULES
from tests.campaign.outputs import Work, make_work

LIMIT = 120.0
LEAST = 2000  # bytes that the message itself may take in the file that the child prints to


def limited(words: list[str], folder: str, size: int) -> int:
    """`novaspeech`, which may write no file larger than this; in a child."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return command(words, folder)


class ReadOnly:
    """A second view of a folder in which nothing can be written; by permissions where nobody may mount."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.view = folder.with_name(f"{folder.name} read-only")

    def __enter__(self) -> Path:
        self.view.mkdir()
        bind = ["mount", "--bind", str(self._folder), str(self.view)]
        self._mounted = not os.geteuid() and not subprocess.run(bind, capture_output=True, check=False).returncode
        if not self._mounted:
            self._folder.chmod(0o555)
            return self._folder
        subprocess.run(["mount", "-o", "remount,ro,bind", str(self.view)], capture_output=True, check=True)
        return self.view

    def __exit__(self, *error: object) -> None:
        if self._mounted:
            subprocess.run(["umount", str(self.view)], check=True)
        self._folder.chmod(0o755)


class Disk(Section):
    """Each trial is one command with one hardship, these in turn."""

    name = "disk"
    count = 30

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._work = cache(lambda module: make_work(world, module, self.folder))
        self._ways = [self._limit, self._full, self._read_only, self._vanishing, self._no_scratch]

    def try_one(self, index: int) -> list[Problem]:
        module = MODULES[index // len(self._ways) % len(MODULES)]
        out = self.folder / f"out {index}"
        way = self._ways[index % len(self._ways)]
        return way(self._work(module), out, index)

    def _limit(self, work: Work, out: Path, index: int) -> list[Problem]:
        """RLIMIT_FSIZE, as servers have it."""
        work.lay_old(out)
        size = self.world.random(self.name, index).randrange(LEAST, max(map(len, work.new.values())) + 100)
        words = [*work.words, "--out", str(out)]
        ended = run_child(limited, words, str(self.folder), size, folder=self.folder / "scratch", limit=LIMIT)
        return self._judge(f"{work.module}, files of at most {size} bytes", work, out, ended)

    def _full(self, work: Work, out: Path, index: int) -> list[Problem]:
        """A disk on which not all of the new outputs have room beside the old."""
        out.mkdir()
        pages = [sum(-(-len(content) // 4096) for content in pairs.values()) for pairs in (work.old, work.new)]
        size = 4 * self.world.random(self.name, index).randrange(pages[0] + 2, sum(pages) + 8)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(out)]
        if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
            return self._limit(work, self.folder / f"instead {index}", index)
        try:
            work.lay_old(out)
            ended = self._run(work, out)
            return self._judge(f"{work.module}, a disk of {size} KiB", work, out, ended)
        finally:
            subprocess.run(["umount", str(out)], check=True)

    def _read_only(self, work: Work, out: Path, index: int) -> list[Problem]:
        """A folder that must not be written."""
        work.lay_old(out)
        with ReadOnly(out) as view:
            ended = self._run(work, view)
        return self._judge(f"{work.module}, a read-only folder", work, out, ended, must_fail=True)

    def _vanishing(self, work: Work, out: Path, index: int) -> list[Problem]:
        """A folder that is moved away in the midst, as a network disk goes."""
        work.lay_old(out)
        chance = self.world.random(self.name, index)
        child = Child(command, [*work.words, "--out", str(out)], str(self.folder), folder=self.folder / "scratch")
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0, work.seconds))
        else:
            until(lambda: bool(work.strangers(out)), LIMIT, 0.0005)
        away = out.with_name(f"{out.name} moved away")
        out.rename(away)
        ended = child.wait(LIMIT)
        problems = self._judge(f"{work.module}, a folder that vanishes", work, away, ended, may_leave=True)
        shutil.rmtree(out, ignore_errors=True)
        return problems

    def _no_scratch(self, work: Work, out: Path, index: int) -> list[Problem]:
        """A folder for temporary files that is not there; and no home."""
        work.lay_old(out)
        words = [*work.words, "--out", str(out)]
        places = {"TMPDIR": str(self.folder / "nowhere"), "HOME": "/nonexistent"}
        ended = run_child(
            command, words, str(self.folder), folder=self.folder / "scratch", limit=LIMIT, environment=places
        )
        return self._judge(f"{work.module}, no TMPDIR and no HOME", work, out, ended)

    def _run(self, work: Work, out: Path) -> Ended:
        words = [*work.words, "--out", str(out)]
        return run_child(command, words, str(self.folder), folder=self.folder / "scratch", limit=LIMIT)

    def _judge(
        self, label: str, work: Work, out: Path, ended: Ended, *, must_fail: bool = False, may_leave: bool = False
    ) -> list[Problem]:
        problems = ended.problems(label)
        problems += [Problem(found.kind, f"{label}: {found.text}") for found in work.judge(out, may_be_absent=False)]
        # A folder that vanished may have been made again, with the outputs in it.
        if ended.value == 0 and (must_fail or not (work.is_new(out) or may_leave)):
            problems.append(Problem(Kind.WRONG, f"{label}: exit status 0, but not the new outputs"))
        if not may_leave and (left := work.strangers(out)):
            problems.append(Problem(Kind.LEFT, f"{label}: left behind: {left}"))
        said, more = errors_in(ended.printed)
        if ended.value and (len(said) != 1 or more):
            problems.append(Problem(Kind.MESSAGE, f"{label}: not one line: {[*said, *more][:4]}"))
        return problems
