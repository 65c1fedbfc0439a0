"""Recordings of many formats, rates, names and places, whole and damaged: read right, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.hardships_parts.base import Kind, Problem, Section, World
from benchmarks.hardships_parts.cases import Case, ReadOnly, read_in_child
from benchmarks.hardships_parts.child import Ended
from benchmarks.hardships_parts.compare import RATE, compare, lag_of
from benchmarks.hardships_parts.sounds import DAMAGES, FORMATS, heard, original, played
from novaspeech.arrays import FloatArray

LAG = RATE // 500  # 2 ms
LOST_SECONDS = 0.25


class Recordings(Section):
    """Each trial is one file, read in a process of its own."""

    name = "recordings"
    count = 4 * len(FORMATS) * len(DAMAGES)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._sources, self._files, self._scratch = (self.folder / name for name in ("sources", "files", "scratch"))
        for folder in (self._sources, self._files, self._scratch):
            folder.mkdir()
        self._view = ReadOnly(self._files)
        self._whole: dict[str, FloatArray | None] = {}
        self._outcomes: dict[str, list[int]] = {}
        self._untold: list[Case] = []

    def __enter__(self) -> Section:
        self._view.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._view.__exit__(*error)

    def try_one(self, index: int) -> list[Problem]:
        case = Case.draw(self.world, index)
        expected = self._undamaged(case)
        name = case.make(self.world, self._sources, self._files)
        before = sorted(file.name for file in self._files.iterdir())
        locked = case.place == "read-only folder"
        if locked:
            self._view.lock()
        ended, found = read_in_child(self._view.view if locked else self._files, name, self._scratch)
        self._view.unlock()
        problems = ended.problems(str(case))
        if sorted(file.name for file in self._files.iterdir()) != before:
            problems.append(Problem(Kind.LEFT, f"{case}: the recording's folder has changed"))
        problems += self._judge(case, ended, found, expected)
        for file in (*self._files.iterdir(), *self.folder.glob("linked *")):
            file.unlink()
        self._count(case, found)
        return problems

    def finish(self, tried: int) -> list[Problem]:
        for damage, (gave, all_) in self._outcomes.items():
            self.notes.append(
                f"recordings, {damage}: {all_} files, of which {gave} gave values and the others an error"
            )
        self.notes += [
            f"recordings {case.index}, {case}: right for its header, and nothing in the file tells of the damage there"
            for case in self._untold
        ]
        return []

    def _count(self, case: Case, found: FloatArray | None) -> None:
        counts = self._outcomes.setdefault(case.damage, [0, 0])
        counts[0] += found is not None
        counts[1] += 1

    def _undamaged(self, case: Case) -> FloatArray | None:
        """The signal of the file before its damage, read once."""
        path = case.undamaged(self._sources)
        if path.name not in self._whole:
            self._whole[path.name] = read_in_child(path.parent, path.name, self._scratch)[1]
        return self._whole[path.name]

    def _judge(self, case: Case, ended: Ended, found: FloatArray | None, expected: FloatArray | None) -> list[Problem]:
        if found is None:
            said = ended.value or ""
            if ended.value and "\n" in said:
                return [Problem(Kind.MESSAGE, f"{case}: a message of {said.count(chr(10)) + 1} lines: {said[:200]!r}")]
            if case.damage == "none" and ended.value:
                return [Problem(Kind.REFUSED, f"{case}: {said[:300]}")]
            return []
        if case.damage == "none":
            return [Problem(Kind.WRONG, f"{case}: {what}") for what in self._against_original(case, found)]
        if expected is None:
            return []
        faults = against_undamaged(case, found, expected)
        if faults and self._cannot_be_told(case, expected):
            self._untold.append(case)
            faults = []
        return [Problem(Kind.WRONG, f"{case}: {what}") for what in faults]

    def _cannot_be_told(self, case: Case, expected: FloatArray) -> bool:
        """Whether a file is read right, or refused, but for damage that no program can tell."""
        name = case.make_tellable(self.world, self._sources, self._scratch)
        found = read_in_child(self._scratch, name, self._scratch)[1] if name else None
        return name is not None and (found is None or not against_undamaged(case, found, expected))

    def _against_original(self, case: Case, found: FloatArray) -> list[str]:
        """What is wrong with the reading of an undamaged file."""
        truth = heard(original(self._sources, case.rate, case.channels))
        lag, likeness = lag_of(found, truth)
        own, own_likeness = lag_of(played(case.undamaged(self._sources), Path(self._scratch, "played.wav")), truth)
        faults = []
        if min(abs(lag), abs(lag - own)) > LAG:
            faults.append(f"late by {lag * 1000 / RATE:.1f} ms; ffmpeg alone: {own * 1000 / RATE:.1f} ms")
        exact = FORMATS[case.kind].exact
        if likeness < (0.999 if exact else min(0.97, own_likeness - 0.001)):  # a codec may lose more
            faults.append(f"correlates with the original by {likeness:.4f}")
        # Three packets, or one of 20 ms and its padding.
        allowed = RATE // 1000 if exact else max(3 * FORMATS[case.kind].packet * RATE // case.rate, RATE // 25)
        if abs(len(found) - len(truth)) > allowed:
            faults.append(f"longer than the original by {(len(found) - len(truth)) * 1000 / RATE:.1f} ms")
        return faults


def against_undamaged(case: Case, found: FloatArray, expected: FloatArray) -> list[str]:
    """What is wrong with the values of a damaged file: sound that is moved, or missing without a word."""
    faults = []
    pieces = compare(found, expected)
    if len(pieces.moved) > 1:
        moved = list(pieces.moved.items())
        first, last = moved[0], moved[-1]
        shifts = f"by {first[1]} ms at {first[0]} ms, by {last[1]} ms at {last[0]} ms"
        faults.append(f"{len(pieces.moved)} of {pieces.loud} pieces are moved: {shifts}")
    lost = (len(expected) - len(found)) / RATE
    # What lies after a cut is nobody's loss to tell, unless the file says how long it was.
    if lost > LOST_SECONDS and not (case.damage == "truncated" and not FORMATS[case.kind].states_length):
        faults.append(
            f"the last {lost:.2f} s are missing without a word ({pieces.there} of {pieces.loud} pieces there)"
        )
    added = -lost
    if added > LOST_SECONDS:
        faults.append(f"{added:.2f} s longer than the undamaged file ({pieces.there} of {pieces.loud} pieces there)")
    # Other sound than the file's, over all of it: another rate, other channels.
    if pieces.reached and not pieces.there and not pieces.moved and np.isfinite(found).all():
        faults.append("not one piece is as it was")
    return faults
