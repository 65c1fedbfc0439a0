"""Records of recordings: `.NAME.MODULE.json` beside the results is the only truth, whoever dies.

It says what made the results, so that a second run knows what it can skip; how often the recording was tried without
an end; and why it failed. It is written before the recording is tried, and last of its files. Its name begins with a
dot: those who read a folder of Parquet files as one data set pass over such files.
"""

from __future__ import annotations

import datetime
import json
import os
import posixpath
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from novaspeech.arrays import runs
from novaspeech.corpus.ended import Ended
from novaspeech.corpus.fetched import stamp
from novaspeech.corpus.notes import file_of, parsed
from novaspeech.corpus.plan import Plan, differences, united
from novaspeech.corpus.rows import Row
from novaspeech.corpus.store import DATA, Size, Store, is_url
from novaspeech.corpus.table import identity
from novaspeech.errors import RequestError
from novaspeech.formats.files import is_shared
from novaspeech.formats.track import belongs_to
from novaspeech.result import Result

MOST_ATTEMPTS = 3
_NUMBERS = ("rate", "seconds", "took", "attempts", "silent")
_NO_RESULTS: dict[str, Any] = {"made": {}, "from": {}}


class Record:
    """The file `.NAME.MODULE.json` of a recording.

    Args:
        size: of a file in the store, if many are asked for.

    Attributes:
        row: the recording.
    """

    def __init__(self, row: Row, plan: Plan, store: Store, size: Size | None = None) -> None:
        self.row, self._plan, self._store = row, plan, store
        self._file, self._size = self._in_folder(file_of(row.name, plan.module)), size or store.size
        there = size is None or size(self._file) is not None
        self._content = parsed(store.read(self._file)) if there else {}

    @property
    def _made(self) -> dict[str, Any]:
        """Name → bytes of the results; none in somebody else's JSON."""
        made = self._content.get("made")
        return made if isinstance(made, dict) else {}

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
                sizes = {name: self._size(self._in_folder(name)) for name in names}
                if all(size is not None and (size == made[name] or is_shared(name)) for name, size in sizes.items()):
                    shapes = {output.id: tuple(known["shapes"][output.id]) for output in self._plan.chosen}
                    return self._done(names, shapes, {name: known[name] for name in _NUMBERS})
        return None

    def in_the_way(self) -> str:
        """What the results would replace that did not come of the same command, and why; "" if there is nothing.

        Raises:
            RequestError: a file that modules share cannot be read.
        """
        if self.tried:  # by a process that was killed, perhaps while it wrote
            return ""
        for name in self._foreign():
            if is_shared(name):
                tiers, own = self._store.tiers(self._in_folder(name)), [output.id for output in self._plan.kept]
                if not any(belongs_to(tier, own) for tier in tiers):
                    continue
            return f"{posixpath.join(self._plan.out, self._in_folder(name))} is there, and {self._whose(name)}"
        return ""

    def _foreign(self) -> Iterator[str]:
        """Names of files that are there and are not as this command has made them."""
        known = self._made if self._is_same_way() else {}
        with suppress(RequestError):  # of a name that is too long for any file
            for name in self._plan.file_names(self.row):
                sizes = {one: self._size(self._in_folder(one)) for one in (name, f"{name}{DATA}")}
                as_made = all(size in (None, known.get(one)) for one, size in sizes.items())
                ours = as_made or (is_shared(name) and name in known) or name in self._content.get("left", [])
                if any(sizes.values()) and not ours:
                    yield name

    def _whose(self, name: str) -> str:
        if name not in self._made:
            return "another program or a person made it"
        if self._is_same_way():
            return "somebody has changed it"
        there = {key: value for key, value in self._content["from"].items() if key != "recording"}
        return f"was made in another way, which differs in {'; '.join(differences(there, self._plan.origin))}"

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
        self._write({"tried": [], "failed": ended.as_dict(), "left": self._left()})
        return ended

    def take_back(self) -> None:
        """Does not count an attempt of this run that came to no end without a fault: somebody stopped it."""
        tried = self.tried
        if tried and tried[-1]["run"] == self._plan.run and "reason" not in tried[-1]:
            self._write({"tried": tried[:-1], "left": self._left()})

    def forget(self, *, results: bool = False) -> None:
        """Makes the recording as if nobody had tried it, or even as if it had no results."""
        self._write({"tried": [], "failed": None, "left": self._left(), **(_NO_RESULTS if results else {})})

    def _left(self) -> list[str]:
        """Names of files that an attempt which came to no end has left: the next one may replace them."""
        return [*self._content.get("left", []), *(self._foreign() if self.tried else [])]

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
        came = before.get("from", {})
        values = {name: result[name] for name in result}
        shapes = {name: (len(value),) if isinstance(value, list) else value.shape for name, value in values.items()}
        numbers = {"rate": result.rate, "seconds": result.seconds, "took": took, "attempts": len(self.tried)}
        numbers["silent"] = round(float(result.silent.mean()), 4)
        if self._content.get("made"):
            self._write(_NO_RESULTS)
        shared = [name for name in plan.file_names(self.row) if is_shared(name)]
        sizes = self._store.save(self.row.folder, shared, lambda folder: plan.written(result, self.row, folder))
        self._content = {
            "from": {"recording": {**came.get("recording", {}), **self._stamp()}, **united(came, plan.origin)},
            "made": {**before.get("made", {}), **sizes},
            "at": _now(),
            "recording": self.row.place,
            "file": result.file,
            "threshold": threshold,
            "silence": [f"{begin}-{end}" for begin, end in runs(result.silent)],
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
        """Whether it tells of results made in the same way of the same recording, be it of other outputs or formats."""
        if not self._is_same_way():
            return False
        there, mine = self._content["from"]["recording"], self._stamp()
        # What is not there concerns other outputs or formats, but for the part of the recording.
        return all(there.get(name) == mine[name] for name in mine if name in there or name in ("span", "channel"))

    def _is_same_way(self) -> bool:
        """Whether it tells of results made in the same way, be it of what had the recording's name then."""
        made_from = self._content.get("from")
        if not isinstance(made_from, dict) or not isinstance(made_from.get("recording"), dict):
            return False
        return not list(differences({**made_from, "recording": None}, {**self._plan.origin, "recording": None}))

    def _stamp(self) -> dict[str, Any]:
        """Identity of the recording, whatever has its name later, if it lies on this machine; and what is in tables."""
        row, place = self.row, self.row.place
        part: dict[str, Any] = {"span": list(row.span or ()), "channel": row.channel} if row.is_part else {}
        part |= {f"input {name}": stamp(file) for name, file in row.inputs.items()}
        with suppress(RequestError):  # of a recording that fails by it
            if any(name.endswith((".csv", ".parquet")) for name in self._plan.file_names(self.row)):
                part["file"] = self.row.file
            if self._plan.table:
                part |= identity(self._plan.table, self.row)
        with suppress(OSError):
            if not is_url(place):
                status = Path(place).stat()
                known = {"name": Path(place).name, "bytes": status.st_size, "modified": int(status.st_mtime)}
                return known | part
        return {"name": place.rpartition("/")[2]} | part

    def _write(self, changed: Mapping[str, Any]) -> None:
        self._content = {name: value for name, value in {**self._content, **changed}.items() if value not in ([], None)}
        if any(self._content.get(name) for name in ("made", "tried", "failed", "left")):
            text = json.dumps({"threshold": None, **self._content}, indent=1, ensure_ascii=False) + "\n"
            self._store.write(self._file, text.encode("utf-8", "backslashreplace"))
        else:
            self._store.remove(self._file)


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
