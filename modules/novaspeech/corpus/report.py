"""Counts of the work for the bar and `status.json`, and the report with its summary."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novaspeech.corpus.record import Ended
from novaspeech.corpus.rows import Row
from novaspeech.saving import whole

STATUSES = ("done", "failed", "not begun")
_REASONS = 20  # kinds of failures that are shown; the report has all


@dataclass
class Counted:
    """Counts recordings while they are worked on.

    Attributes:
        rows: those to be done.
        skipped: how many had ended before.
        told: what became of those that have ended, by their ids.
        failed: how many of them have failed.
        seconds: of audio done.
    """

    rows: Sequence[Row]
    skipped: int = 0
    told: dict[str, Ended] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._sizes = {row.id: row.size or 1.0 for row in self.rows}
        self._shares: dict[str, float] = {}
        self._done, self._whole = 0.0, sum(self._sizes.values())
        self.failed, self.seconds = 0, 0.0

    def progress(self, row_id: str, share: float) -> None:
        """So much of a recording is done, 0 to 1."""
        self._done += (share - self._shares.get(row_id, 0.0)) * self._sizes[row_id]
        self._shares[row_id] = share

    def add(self, ended: Ended) -> None:
        """A recording has ended; one that is tried again may end again."""
        before = self.told.get(ended.id)
        self.failed += (ended.status == "failed") - (before is not None and before.status == "failed")
        self.seconds += ended.seconds - (before.seconds if before else 0.0)
        self.told[ended.id] = ended
        self.progress(ended.id, 1.0)

    @property
    def count(self) -> int:
        """Recordings, with those that had ended before."""
        return len(self.rows) + self.skipped

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1."""
        return min(1.0, self._done / self._whole) if self._whole else 1.0

    @property
    def speed(self) -> float:
        """Hours of audio per hour."""
        return self.seconds / max(1e-9, time.monotonic() - self.began)

    @property
    def left(self) -> float | None:
        """Seconds until the end, by the sizes of what is left; None if nothing is done."""
        return (time.monotonic() - self.began) * (1 / self.share - 1) if self.share else None

    def status(self, state: str) -> bytes:
        """Content of `status.json`."""
        left = self.left
        content: dict[str, Any] = {
            "state": state,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "recordings": self.count,
            "ended_before": self.skipped,
            "done": len(self.told) - self.failed,
            "failed": self.failed,
            "hours": round(self.seconds / 3600, 3),
            "hours_per_hour": round(self.speed, 1),
            "seconds_left": None if left is None else round(left),
        }
        return (json.dumps(content, indent=1) + "\n").encode()


def as_lines(report: Iterable[Ended]) -> bytes:
    """A report as JSON lines."""
    return "".join(f"{json.dumps(ended.as_dict(), ensure_ascii=False)}\n" for ended in report).encode(
        "utf-8", "backslashreplace"
    )


def write_lines(report: Iterable[Ended], file: Path) -> None:
    """Writes a report into a file of this machine. Raises SavingError if it cannot."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole(file) as partial:
        partial.write_bytes(as_lines(report))


def summary(report: Sequence[Ended]) -> str:
    """A summary for people: how many recordings are done, and why some failed."""
    counts = Counter(ended.status for ended in report)
    lines = [f"{status:<9} {counts[status]:>8}" for status in STATUSES if counts[status]]
    reasons = Counter(ended.reason for ended in report if ended.status == "failed")
    lines += [
        f"  {number} × {reason}" if number > 1 else f"  {reason}" for reason, number in reasons.most_common(_REASONS)
    ]
    return "\n".join(lines)
