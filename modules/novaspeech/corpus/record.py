"""Records of recordings: `NAME.MODULE.json` beside the results is the only truth, whoever dies.

It says what made the results, so that a second run knows what it can skip; how often the recording was tried without
an end; and why it failed. It is written before the recording is tried, and last of its files.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import posixpath
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from novaspeech.corpus.plan import Plan
from novaspeech.corpus.rows import Row
from novaspeech.corpus.store import DATA, Size, Store, is_url
from novaspeech.module.catalogue import load_trainer, module_names, processor_class
from novaspeech.result import Result

MOST_ATTEMPTS = 3
_NUMBERS = ("rate", "seconds", "took", "attempts", "silent")
_NO_RESULTS: dict[str, Any] = {"made": {}, "from": {}}


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


class Record:
    """The file `NAME.MODULE.json` of a recording.

    Args:
        size: of a file in the store, if many are asked for.

    Attributes:
        row: the recording.
    """

    def __init__(self, row: Row, plan: Plan, store: Store, size: Size | None = None) -> None:
        self.row, self._plan, self._store = row, plan, store
        self._file, self._size = f"{row.id}.{plan.module}.json", size or store.size
        there = size is None or size(self._file) is not None
        self._content = _parsed(store.read(self._file)) if there else {}

    @property
    def tried(self) -> list[dict[str, Any]]:
        """Attempts that came to no end: when, where, in which run, and why if that is known."""
        return list(self._content.get("tried", []))

    def ended(self) -> Ended | None:
        """The end of a recording whose results are all there, whole, made in the same way of it; or that failed."""
        with suppress(AttributeError, KeyError, TypeError):  # it is somebody else's JSON
            if failed := self._content.get("failed"):
                return Ended(**failed)
            if self._is_ours():
                known, made = self._content, self._content["made"]
                names = self._plan.file_names(self.row)
                names += [data for name in names if (data := f"{name}{DATA}") in made]
                if all(made[name] == self._size(self._in_folder(name)) is not None for name in names):
                    shapes = {output.id: tuple(known["shapes"][output.id]) for output in self._plan.chosen}
                    return self._done(names, shapes, {name: known[name] for name in _NUMBERS})
        return None

    def begin(self) -> None:
        """Writes down an attempt."""
        attempt = {"at": _now(), "on": socket.gethostname(), "process": os.getpid(), "run": self._plan.run}
        self._write({"tried": [*self.tried, attempt]})

    def fault(self, reason: str, *, deaths: int = 0, trace: str = "") -> Ended:
        """Adds to the last attempt why it came to no end; gives a failure after which it is tried again.

        Args:
            deaths: how many processes died over the recording; one may have done so before it wrote that it begins.
            trace: where in the code the fault arose.
        """
        if len(self.tried) < deaths:
            self.begin()
        self._write({"tried": [*self.tried[:-1], {"reason": reason, **self.tried[-1]}]})
        return replace(self._failed(f"{self.row.place}: {reason}"), again=True, trace=trace)

    def given_up(self) -> Ended | None:
        """Failure of a recording that was tried too often, which is written down; None if it was not."""
        if len(self.tried) < MOST_ATTEMPTS:
            return None
        last, count = self.tried[-1], len(self.tried)
        why = last.get("reason", "it was killed, or its machine was lost")
        return self.fail(f"given up: {count} processes ended over it, the last one on {last['on']}: {why}")

    def fail(self, reason: str, *, took: float = 0.0, trace: str = "") -> Ended:
        """Writes down that the recording has failed, and gives that."""
        ended = replace(self._failed(reason), took=took, trace=trace)
        self._write({"tried": [], "failed": ended.as_dict()})
        return ended

    def take_back(self) -> None:
        """Does not count an attempt of this run that came to no end without a fault: somebody stopped it."""
        tried = self.tried
        if tried and tried[-1]["run"] == self._plan.run and "reason" not in tried[-1]:
            self._write({"tried": tried[:-1]})

    def forget(self, *, results: bool = False) -> None:
        """Makes the recording as if nobody had tried it, or even as if it had no results."""
        self._write({"tried": [], "failed": None, **(_NO_RESULTS if results else {})})

    def save(self, result: Result, took: float, threshold: float | None) -> Ended:
        """Saves results. Meanwhile no record tells of older ones: a kill must not leave it beside other files.

        Args:
            took: seconds that the work took.
            threshold: from which score on something was taken to be so.

        Raises:
            RequestError: the files cannot hold the results.
            OSError: something cannot be written.
        """
        plan, before = self._plan, self._content if self._is_ours() else {}
        values = {name: result[name] for name in result}
        shapes = {name: (len(value),) if isinstance(value, list) else value.shape for name, value in values.items()}
        numbers = {"rate": result.rate, "seconds": result.seconds, "took": took, "attempts": len(self.tried)}
        numbers["silent"] = round(float(result.silent.mean()), 4)
        if self._content.get("made"):
            self._write(_NO_RESULTS)
        sizes = self._store.save(self.row.folder, lambda folder: result.save(folder, plan.formats, plan.dtype))
        self._content = {
            "from": {"recording": self._stamp(), **plan.origin},
            "made": {**before.get("made", {}), **sizes},
            "at": _now(),
            "recording": self.row.place,
            "threshold": threshold,
            "shapes": {**before.get("shapes", {}), **shapes},
            **numbers,
        }
        self._write({})
        return self._done(sizes, shapes, numbers)

    def _done(self, names: Iterable[str], shapes: dict[str, tuple[int, ...]], numbers: Mapping[str, Any]) -> Ended:
        files = tuple(sorted(map(self._in_folder, names)))
        return Ended(self.row.id, self.row.place, "done", files=files, shapes=shapes, **numbers)

    def _failed(self, reason: str) -> Ended:
        return Ended(self.row.id, self.row.place, reason=reason, attempts=len(self.tried))

    def _in_folder(self, name: str) -> str:
        return posixpath.join(self.row.folder, name)

    def _is_ours(self) -> bool:
        """Whether it tells of results that were made in the same way, be it of other outputs and formats."""
        made_from, mine = self._content.get("from"), self._stamp()
        if isinstance(made_from, dict) and isinstance(made_from.get("recording"), dict):
            theirs = {name: made_from["recording"].get(name) for name in mine}
            return {**made_from, "recording": theirs} == {"recording": mine, **self._plan.origin}
        return False

    def _stamp(self) -> dict[str, Any]:
        """Identity of the recording, whatever has its name later, if it lies on this machine."""
        place = self.row.place
        with suppress(OSError):
            if not is_url(place):
                status = Path(place).stat()
                return {"name": Path(place).name, "bytes": status.st_size, "modified": int(status.st_mtime)}
        return {"name": place.rpartition("/")[2]}

    def _write(self, changed: Mapping[str, Any]) -> None:
        self._content = {name: value for name, value in {**self._content, **changed}.items() if value not in ([], None)}
        if any(self._content.get(name) for name in ("made", "tried", "failed")):
            text = json.dumps({"threshold": None, **self._content}, indent=1, ensure_ascii=False) + "\n"
            self._store.write(self._file, text.encode("utf-8", "surrogateescape"))
        else:
            self._store.remove(self._file)


def remembered(folder: Path, name: str) -> tuple[Path | None, dict[str, float]]:
    """Facts of the records of a recording whose name is `name`, for those who look at its results.

    Returns:
        where it was, if it still is there; id of each output of scores → from which one on something was taken to be so
    """
    recording: Path | None = None
    thresholds: dict[str, float] = {}
    for module in module_names():
        file = folder / f"{name}.{module}.json"
        known = _parsed(file.read_bytes() if file.is_file() else None)
        place = Path(str(known.get("recording", "")))
        recording = place if place.is_absolute() and place.is_file() else recording
        threshold = known.get("threshold")
        if isinstance(threshold, (int, float)):
            outputs = processor_class(load_trainer(module)).outputs
            thresholds |= {one.id: float(threshold) for one in outputs if one.subtype == "continuous"}
    return recording, thresholds


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _parsed(content: bytes | None) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        parsed = json.loads(content or b"")
        if isinstance(parsed, dict):
            return parsed
    return {}
