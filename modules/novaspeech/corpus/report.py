"""Counts of the work, for whoever watches it and for `status.json`, and the report with its summary."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from novaspeech.corpus.ended import Ended
from novaspeech.corpus.rows import Row
from novaspeech.module.session import SILENT_SHARE

STATUSES = ("done", "failed", "not begun")
_REASONS = 20  # kinds of failures that are shown; the report has all


class Events:
    """Hooks of those who work; these do nothing."""

    def log(self, line: str) -> None:
        """Takes a line for people."""

    def progress(self, row_id: str, share: float) -> None:
        """Takes how much of a recording is done, 0 to 1."""


class Counted(Events):
    """Counts recordings while they are worked on.

    Attributes:
        rows: those to be done, by their ids.
        skipped: how many had ended before.
        told: ids of those that have ended.
        failed: ids of those of them that have failed.
        seconds: of audio done.
    """

    def began(self, rows: Sequence[Row], skipped: int) -> None:
        """Takes what is to be done."""
        self.rows, self.skipped = {row.id: row for row in rows}, skipped
        self.told, self.failed, self.seconds = set[str](), set[str](), 0.0
        self._shares = dict[str, float]()
        self._done, self._whole = 0.0, sum(map(_work, rows))
        self._began = time.monotonic()

    def progress(self, row_id: str, share: float) -> None:
        """Takes how much of a recording is done, 0 to 1."""
        self._done += (share - self._shares.get(row_id, 0.0)) * _work(self.rows[row_id])
        self._shares[row_id] = share

    def ended(self, ended: Ended) -> None:
        """Takes the end of a recording; one that is tried again may end again."""
        self.told.add(ended.id)
        (self.failed.add if ended.status == "failed" else self.failed.discard)(ended.id)
        self.seconds += ended.seconds
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
        return self.seconds / max(1e-9, time.monotonic() - self._began)

    @property
    def left(self) -> float | None:
        """Seconds until the end, by the sizes of what is left; None if nothing is done."""
        return (time.monotonic() - self._began) * (1 / self.share - 1) if self.share else None

    def status(self, state: str) -> bytes:
        """Content of `status.json`."""
        content = {
            "state": state,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "recordings": self.count,
            "ended_before": self.skipped,
            "done": len(self.told) - len(self.failed),
            "failed": len(self.failed),
            "hours": round(self.seconds / 3600, 3),
            "hours_per_hour": round(self.speed, 1),
            "seconds_left": None if self.left is None else round(self.left),
        }
        return (json.dumps(content, indent=1) + "\n").encode()


def _work(row: Row) -> float:
    return row.size or 1.0


def as_lines(report: Iterable[Ended]) -> bytes:
    """A report as JSON lines."""
    lines = (json.dumps(ended.as_dict(), ensure_ascii=False) + "\n" for ended in report)
    return "".join(lines).encode("utf-8", "backslashreplace")


def summary(report: Sequence[Ended]) -> str:
    """A summary for people: how many are done, why some failed, and where silence is."""
    counts = Counter(ended.status for ended in report)
    lines = []
    if silent := [ended for ended in report if ended.silent >= SILENT_SHARE]:
        most = max(silent, key=lambda ended: ended.silent)
        lines = [f"silence   {len(silent):>8}   up to {most.silent:.0%} of the windows, in {most.place}"]
    lines += [f"{status:<9} {counts[status]:>8}" for status in STATUSES if counts[status]]
    reasons = Counter(ended.reason for ended in report if ended.status == "failed")
    lines += [
        f"  {number} × {reason}" if number > 1 else f"  {reason}" for reason, number in reasons.most_common(_REASONS)
    ]
    return "\n".join(lines)
