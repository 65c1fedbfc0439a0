"""What a field day brings: kills, servers that are killed, full disks; by the hundred, run by hand.

    python -m tests.campaign [--only kills servers disk] [--minutes 30] [--seed 0]
    python -m tests.campaign --only kills --seed 0 --trial 37   # one trial again

Every trial is seeded by its number, so that a single one can be made again. A section ends when its trials are done
(--count says how many, of each section) or when its share of the time is over. Of what falls short, each has a line.
Servers run on loopback; the machine's disks are only touched below a temporary folder. Root may mount small disks
there; without, limits and permissions take their place.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign.base import Kind, Problem, Section, World
from tests.campaign.child import prepare
from tests.campaign.disk import Disk
from tests.campaign.kills import Kills
from tests.campaign.servers import Servers

SECTIONS: dict[str, type[Section]] = {section.name: section for section in (Kills, Servers, Disk)}


@dataclass
class Outcome:
    """What a section's trials came to."""

    name: str
    asked: int
    tried: int = 0
    problems: list[tuple[int, Problem]] = field(default_factory=list)
    seconds: float = 0.0


def main() -> int:
    """Runs the campaign; 1 if something fell short."""
    given = _parse()
    prepare()
    # Whoever ends it so means all of it: servers, mounts and the folder, which the `with` blocks see to.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    outcomes: list[Outcome] = []
    deadline = time.monotonic() + 60 * given.minutes
    with tempfile.TemporaryDirectory(prefix="hardships-") as folder:
        world = World(Path(folder), given.seed)
        names: Sequence[str] = given.only or list(SECTIONS)
        for number, name in enumerate(names):
            until = time.monotonic() + (deadline - time.monotonic()) / (len(names) - number)
            section = SECTIONS[name](world)
            outcomes.append(_run(section, given.count, given.trial, until))
    print(_table(outcomes, given.seed), flush=True)
    return int(any(outcome.problems for outcome in outcomes))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--minutes", type=float, default=30, help="for all sections (default: 30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, help="trials of each section (default: its own)")
    parser.add_argument("--trial", type=int, help="only the trial of this number")
    given = parser.parse_args()
    if given.trial is not None and len(given.only or ()) != 1:
        parser.error("--trial is a number of one section: name it with --only")
    return given


def _run(section: Section, count: int | None, trial: int | None, deadline: float) -> Outcome:
    """Tries until the number or the time is reached."""
    outcome = Outcome(section.name, count or section.count)
    start = time.monotonic()
    with section:
        for index in range(outcome.asked) if trial is None else (trial,):
            if time.monotonic() > deadline:
                break
            for problem in _try(section, index):
                outcome.problems.append((index, problem))
                print(f"{section.name} {index}: {problem.kind.name}: {problem.text}", file=sys.stderr, flush=True)
            outcome.tried += 1
    outcome.seconds = time.monotonic() - start
    print(f"{section.name}: {outcome.tried} in {outcome.seconds:.0f} s", file=sys.stderr, flush=True)
    return outcome


def _try(section: Section, index: int) -> list[Problem]:
    try:
        return section.try_one(index)
    except Exception as error:  # noqa: BLE001 (a trial that goes wrong by itself must not end the others)
        return [Problem(Kind.CAMPAIGN, f"the trial itself failed: {type(error).__name__}: {error}")]


def _table(outcomes: Sequence[Outcome], seed: int) -> str:
    lines = ["", "| section | tried | fell short | the worst | s |", "|---|---|---|---|---|"]
    details: list[str] = []
    for outcome in outcomes:
        number = len({index for index, _ in outcome.problems})
        worst = min((problem for _, problem in outcome.problems), key=lambda problem: problem.kind, default=None)
        said = f"{worst.kind.name}: {worst.text}".replace("|", "/") if worst else "–"
        lines.append(
            f"| {outcome.name} | {outcome.tried} of {outcome.asked} | {number} | {said[:200]} | {outcome.seconds:.0f} |"
        )
        for index, problem in outcome.problems:
            again = f"--only {outcome.name} --seed {seed} --trial {index}"
            details.append(f"{problem.kind.name}: {problem.text}  [python -m tests.campaign {again}]")
    return "\n".join([*lines, "", *(f"- {line}" for line in details)])


if __name__ == "__main__":  # children import this file, too, and want nothing of it
    raise SystemExit(main())
