"""Recordings of many formats, rates and names, whole and damaged: read right, or refused in one line.

One kind of trial falls short that no program can tell: a header that a bit makes the right one of another recording.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from novaspeech.arrays import FloatArray
from tests.campaign.base import Kind, Problem, Section, World
from tests.campaign.child import Ended, run_child
from tests.campaign.compare import RATE, compare
from tests.campaign.sounds import DAMAGES, FORMATS, NAMES, encoded

LIMIT = 60.0  # seconds for 12 s of sound
LOST_SECONDS = 0.25


def read(path: str, target: str) -> str:
    """Reads a recording as novaspeech does and keeps its signal in a file; in a child. Gives the error's message."""
    from novaspeech.audio.recording import Recording
    from novaspeech.errors import NovaspeechError

    try:
        blocks = list(Recording.open(Path(path), RATE).signal.blocks())
    except NovaspeechError as error:
        return str(error) or "(no message)"
    np.save(target, np.concatenate(blocks))
    return ""


class Recordings(Section):
    """Each trial is one file, read in a process of its own."""

    name = "recordings"
    count = 3 * len(FORMATS) * len(DAMAGES)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._whole: dict[Path, FloatArray | None] = {}
        self._gave: Counter[str] = Counter()
        self._all: Counter[str] = Counter()

    def try_one(self, index: int) -> list[Problem]:
        chance = self.world.random(self.name, index)
        kind, damage = list(FORMATS)[index % len(FORMATS)], list(DAMAGES)[index // len(FORMATS) % len(DAMAGES)]
        source = encoded(self.folder, kind, chance.choice(FORMATS[kind].rates), chance.choice((1, 2)))
        if source not in self._whole:
            self._whole[source] = self._read(source)[1]
        content = bytearray(source.read_bytes())
        DAMAGES[damage](content, chance)
        path = self.folder / f"{chance.choice(NAMES)}.{kind}"
        path.write_bytes(content)
        label = f"{source.name}, {damage}, called {path.name[:20]!r}"
        before = set(self.folder.iterdir())
        ended, found = self._read(path)
        problems = ended.problems(label)
        if set(self.folder.iterdir()) != before:
            problems.append(Problem(Kind.LEFT, f"{label}: the recording's folder has changed"))
        path.unlink()
        self._all[damage] += 1
        self._gave[damage] += found is not None
        what = _judge(kind, damage, ended, found, self._whole[source])
        return problems + [Problem(which, f"{label}: {text}") for which, text in what]

    def finish(self, tried: int) -> list[Problem]:
        for damage, number in self._all.items():
            self.notes.append(
                f"recordings, {damage}: {self._gave[damage]} of {number} gave values, the others an error"
            )
        return []

    def _read(self, path: Path) -> tuple[Ended, FloatArray | None]:
        """How the reading ended, and the signal (n,) if there is one."""
        target = self.folder / "scratch" / "signal.npy"
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        ended = run_child(read, str(path), str(target), folder=target.parent, limit=LIMIT)
        return ended, np.load(target) if target.exists() else None


def _judge(
    kind: str, damage: str, ended: Ended, found: FloatArray | None, whole: FloatArray | None
) -> list[tuple[Kind, str]]:
    """What is wrong with the reading of one file, beside that of the same before its damage."""
    if found is None:
        said = str(ended.value or "")
        if "\n" in said:
            return [(Kind.MESSAGE, f"a message of several lines: {said[:200]!r}")]
        return [(Kind.REFUSED, said[:300])] if damage == "none" and said else []
    if whole is None:
        return [(Kind.REFUSED, "the undamaged file is refused")]
    pieces, faults = compare(found, whole), []
    if len(pieces.moved) > 1:
        (first, by), (last, by_last) = next(iter(pieces.moved.items())), list(pieces.moved.items())[-1]
        faults.append(
            f"{len(pieces.moved)} of {pieces.loud} pieces moved, by {by} to {by_last} ms at {first}, {last} ms"
        )
    lost = (len(whole) - len(found)) / RATE
    # What lies behind a cut is nobody's loss to tell, unless the file says how long it was.
    if abs(lost) > LOST_SECONDS and (lost < 0 or damage != "truncated" or FORMATS[kind].states_length):
        faults.append(f"{lost:.2f} s of its end are missing without a word")
    return [(Kind.WRONG, fault) for fault in faults]
