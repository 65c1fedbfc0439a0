"""What became of a recording."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Ended:
    """The end of a recording: done or failed, and how.

    Attributes:
        id, place: the row's.
        status: "done" or "failed"; in a report "not begun", too.
        reason: of a failure, one line.
        files: names of its results in the store.
        shapes: id of each output → its shape; of segments how many there are.
        rate: windows per second.
        seconds: of the recording.
        took: seconds that the work took.
        attempts: how often it was tried.
        silent: share of its windows that are digital silence, or below the level of any microphone.
        again: whether the same command tries it again: its failure was no fault of its own.
        trace: of a failure, where in the code it arose; not for files.
    """

    id: str
    place: str
    status: str = "failed"
    reason: str = ""
    files: tuple[str, ...] = ()
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    rate: float = 0.0
    seconds: float = 0.0
    took: float = 0.0
    attempts: int = 0
    silent: float = 0.0
    again: bool = False
    trace: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON takes them."""
        content = dataclasses.asdict(self)
        del content["trace"]
        return content
