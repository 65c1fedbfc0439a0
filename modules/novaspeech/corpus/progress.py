"""How far a corpus is: a line for people, `status.json` for whoever watches, `report.jsonl` at the end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from novaspeech.corpus.ledger import Ended, Ledger
from novaspeech.corpus.rows import Row
from novaspeech.corpus.store import Store

_STATUS_EVERY_S = 5.0


@dataclass
class Counted:
    """What is known of a corpus while it is worked on.

    Attributes:
        rows: those to be done, the ones before them left out.
        skipped: how many had ended before.
    """

    rows: Sequence[Row]
    skipped: int
    statuses: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0  # of audio done
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._sizes = {row.id: row.size or 1.0 for row in self.rows}
        self._size, self._whole = 0.0, sum(self._sizes.values())

    def add(self, ended: Ended) -> None:
        """A recording has ended."""
        self.statuses[ended.status] += 1
        self.seconds += ended.seconds
        self._size += self._sizes[ended.id]

    @property
    def complete(self) -> bool:
        """Whether all have ended."""
        return sum(self.statuses.values()) == len(self.rows)

    @property
    def share(self) -> float:
        """Of the work that is done, 0 to 1."""
        return self._size / self._whole if self._whole else 1.0

    @property
    def speed(self) -> float:
        """Hours of audio per hour."""
        return self.seconds / max(1e-9, time.monotonic() - self.began)

    @property
    def left(self) -> float | None:
        """Seconds until the end, by the sizes of what is left; None if nothing has ended."""
        if not self._size:
            return None
        return (time.monotonic() - self.began) * (self._whole - self._size) / self._size

    def as_json(self, state: str) -> dict[str, Any]:
        """For `status.json`."""
        left = self.left
        return {
            "state": state,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "recordings": len(self.rows) + self.skipped,
            "ended_before": self.skipped,
            "done": self.statuses["done"],
            "failed": self.statuses["failed"],
            "hours": round(self.seconds / 3600, 3),
            "hours_per_hour": round(self.speed, 1),
            "seconds_left": None if left is None else round(left),
        }


class StatusFile:
    """`status.json` in a store, written anew every few seconds.

    Args:
        shard: "I/N" of a part of a corpus, which has a file of its own; "" for all of it.
    """

    def __init__(self, store: Store, counted: Counted, shard: str) -> None:
        self._store, self._counted = store, counted
        self._name = f"status{part_of(shard)}.json"
        self._told = 0.0

    def show(self) -> None:
        """Writes it if it is old."""
        if time.monotonic() - self._told >= _STATUS_EVERY_S:
            self.write("running")

    def write(self, state: str) -> None:
        """Writes it."""
        self._told = time.monotonic()
        content = json.dumps(self._counted.as_json(state), indent=1) + "\n"
        self._store.write(self._name, content.encode())


def write_report(
    rows: Sequence[Row], told: Mapping[str, Ended], ledger: Ledger, store: Store, shard: str
) -> list[Ended]:
    """Writes `report.jsonl`, a line for each row in their order; gives what it says.

    Args:
        told: what this run was told of, by id; the rest is read.
    """
    there = ledger.ended_ids()  # more than that: of a run that was stopped, not all is told
    read = ledger.all_ended([row.id for row in rows if row.id in there and row.id not in told])
    known = {**told, **{ended.id: ended for ended in read}}
    report = [known.get(row.id) or Ended(row.id, row.place, "not begun", attempts=0) for row in rows]
    content = "".join(f"{ended.to_json()}\n" for ended in report)
    store.write(f"report{part_of(shard)}.jsonl", content.encode())
    return report


def part_of(shard: str) -> str:
    """What names of a shard's own files have: ".3-of-16" for "3/16"."""
    return f".{shard.replace('/', '-of-')}" if shard else ""
