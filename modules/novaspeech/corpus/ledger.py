"""What has been tried and what has ended, as files in a store: the truth about a corpus, whoever dies.

`ended/ID.json` is written last of a recording's files: what it tells of is there, whole. `begun/ID.json` is written
first, and tells how often the recording was tried.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import socket
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from novaspeech.corpus.rows import Row
from novaspeech.corpus.store import BOOKS, Store

MOST_ATTEMPTS = 3
_ENDED, _BEGUN = f"{BOOKS}/ended", f"{BOOKS}/begun"
Attempts: TypeAlias = "list[dict[str, Any]]"  # when, where, and why its process ended, if it could say
_AT_ONCE = 16  # reads of small files, of which each waits for the network


@dataclass(frozen=True)
class Ended:
    """What became of a recording.

    Attributes:
        id, place: the row's.
        status: "done" or "failed"; in a report "not begun", too.
        reason: of a failure, one line.
        files: names of its results in the store.
        shapes: id of each output → its shape; of segments how many there are.
        rate: windows per second.
        seconds: of the recording.
        took: seconds that the work took.
        attempts: how often it was tried, with this one.
    """

    id: str
    place: str
    status: str
    reason: str = ""
    files: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    rate: float = 0.0
    seconds: float = 0.0
    took: float = 0.0
    attempts: int = 1

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, content: bytes) -> Ended:
        """What `to_json` wrote."""
        found = json.loads(content)
        shapes = {name: tuple(shape) for name, shape in found["shapes"].items()}
        return cls(**{**found, "files": tuple(found["files"]), "shapes": shapes})


class Ledger:
    """The records of a corpus in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ended_ids(self) -> set[str]:
        """Ids of all recordings that have ended."""
        return self._ids(_ENDED)

    def ended(self, row_id: str) -> Ended | None:
        """What became of a recording; None if it has not ended."""
        content = self._store.read(f"{_ENDED}/{row_id}.json")
        return Ended.from_json(content) if content else None

    def all_ended(self, row_ids: Iterable[str]) -> list[Ended]:
        """What became of these recordings, those that have ended."""
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return [found for found in threads.map(self.ended, row_ids) if found]

    def end(self, ended: Ended) -> None:
        """Writes down that a recording has ended; its results are all there."""
        self._store.write(f"{_ENDED}/{ended.id}.json", ended.to_json().encode())
        self._store.remove(f"{_BEGUN}/{ended.id}.json")

    def tidy(self, ended: Collection[str]) -> None:
        """Removes what tells of the beginning of recordings that have ended: a kill came between the two records."""
        for row_id in self._ids(_BEGUN) & set(ended):
            self._store.remove(f"{_BEGUN}/{row_id}.json")

    def attempts(self, row_id: str) -> Attempts:
        """Those that began and did not end."""
        content = self._store.read(f"{_BEGUN}/{row_id}.json")
        return list(json.loads(content)) if content else []

    def begin(self, row: Row, before: Attempts, run: str) -> None:
        """Writes down that a recording is tried in a run, after these attempts."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self._write(row.id, [*before, {"at": now, "on": socket.gethostname(), "process": os.getpid(), "run": run}])

    def fault(self, row: Row, reason: str) -> None:
        """Adds to the last attempt why its process ends."""
        tried = self.attempts(row.id)
        self._write(row.id, [*tried[:-1], {**tried[-1], "reason": reason}])

    def take_back(self, run: str) -> None:
        """Does not count the attempts of a run that had no end and no fault: somebody stopped it."""
        for row_id in self._ids(_BEGUN):
            tried = self.attempts(row_id)
            if tried and tried[-1]["run"] == run and "reason" not in tried[-1]:
                self._write(row_id, tried[:-1])

    def forget(self, row_ids: Iterable[str]) -> None:
        """Makes recordings new, as if nobody had tried them."""
        for row_id in row_ids:
            self._store.remove(f"{_BEGUN}/{row_id}.json")
            self._store.remove(f"{_ENDED}/{row_id}.json")

    def _ids(self, folder: str) -> set[str]:
        return {name.removesuffix(".json") for name in self._store.names(folder)}

    def _write(self, row_id: str, attempts: Attempts) -> None:
        if attempts:
            self._store.write(f"{_BEGUN}/{row_id}.json", json.dumps(attempts).encode())
        else:
            self._store.remove(f"{_BEGUN}/{row_id}.json")
