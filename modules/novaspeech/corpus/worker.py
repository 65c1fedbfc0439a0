"""The unit of work: one recording, from its place to its results, that cannot be lost and is not done twice."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from novaspeech.api import Model
from novaspeech.corpus.fetched import one_at_a_time
from novaspeech.corpus.plan import Plan
from novaspeech.corpus.record import Ended, Record
from novaspeech.corpus.rows import Row
from novaspeech.corpus.store import is_url, opened
from novaspeech.errors import NovaspeechError, RecordingError, RequestError, first_line
from novaspeech.result import Result

# Faults of the recording, or of what is asked of it, that would be the same anywhere. Whatever else is raised may
# be wrong with the machine, the model or the program: another attempt may do better.
_FAILURES = (RecordingError, RequestError)

READING_SHARE = 0.05  # of a recording's progress, for decoding it


class Events(Protocol):
    """Who is told how far the work is."""

    def log(self, line: str) -> None:
        """Takes a line for people."""

    def progress(self, row_id: str, share: float) -> None:
        """So much of a recording is done, 0 to 1."""


class Silent:
    """Events that nobody watches."""

    def log(self, line: str) -> None:
        pass

    def progress(self, row_id: str, share: float) -> None:
        pass


class Worker:
    """Does recordings of a plan, one after the other; the model is loaded for the first that needs it."""

    def __init__(self, plan: Plan, events: Events) -> None:
        self._plan, self._events, self._store = plan, events, plan.store()
        self._model: Model | None = None

    def load(self) -> Model:
        """The module with its model, loaded once. Raises OptionError or WeightsError if it cannot be had."""
        if self._model is None:
            with one_at_a_time(self._plan.module):
                self._model = self._plan.load(self._events.log)
            if not self._plan.many:  # where the model is not pinned, it may only now be known which one that is
                self._plan.origin["files"].update(self._plan.stamped({}).origin["files"])
        return self._model

    def run(self, rows: Sequence[Row]) -> Iterator[Ended]:
        """The end of each recording; one that has ended is left alone. Several share passes.

        What is no fault of a recording's own is a failure, too, but its record counts it as an attempt only.

        Raises:
            OptionError, WeightsError: the model cannot be had.
        """
        fresh, before = list[Record](), list[Record]()
        for row in rows:
            record = Record(row, self._plan, self._store)
            if known := record.ended() or record.given_up():
                yield known
            else:
                (before if record.tried else fresh).append(record)
        # One of those that were tried may have killed its process: each alone.
        for group in ([fresh] if fresh else []) + [[record] for record in before]:
            yield from self._tried(group)

    def close(self) -> None:
        """Removes what is on its way."""
        self._store.close()

    def _tried(self, group: Sequence[Record]) -> Iterator[Ended]:
        """Does recordings at once; where that comes to no end, each alone."""
        self.load()
        waiting = {record.row.id: record for record in group}
        for record in group:
            record.begin()
        try:
            for ended in self._done(group):
                del waiting[ended.id]
                yield ended
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are to be done
            if len(group) > 1:
                for record in waiting.values():
                    record.take_back()
                    yield from self._tried([record])
                return
            known, [record] = isinstance(error, NovaspeechError), group
            reason = first_line(error) if known else f"{type(error).__name__}: {first_line(error)}"
            record.fault(reason)
            reason = reason if known else f"{record.row.place}: {reason}"
            yield replace(_failed(record, reason), again=True, trace=traceback.format_exc())

    def _done(self, group: Sequence[Record]) -> Iterator[Ended]:
        """The end of each recording, as soon as its results are in their places."""
        began = time.monotonic()

        def took() -> float:
            return round((time.monotonic() - began) / len(group), 3)

        with ExitStack() as stack:
            files: dict[str, Path] = {}
            results: dict[str, Result | NovaspeechError] = {}
            for row in (record.row for record in group):
                try:
                    files[row.id] = stack.enter_context(self._at_hand(row))
                except RecordingError as error:
                    results[row.id] = error
            results |= zip(files, self._results(files), strict=True)
            for record in group:
                try:
                    ended = self._saved(results[record.row.id], record, took())
                except _FAILURES as error:
                    failed = _failed(record, first_line(error))
                    ended = record.fail(replace(failed, trace=traceback.format_exc(), took=took()))
                yield ended

    def _results(self, files: Mapping[str, Path]) -> list[Result | NovaspeechError]:
        """Result or error of each file, by its id."""
        plan, model = self._plan, self.load()
        names = [PurePosixPath(row_id).name for row_id in files]
        if len(files) != 1:
            return model.many(list(files.values()), plan.outputs, inputs=plan.inputs, end=plan.end, names=names)
        [(row_id, file)] = files.items()

        def reading(completed: int, total: int) -> None:
            self._events.progress(row_id, READING_SHARE * min(1.0, completed / total) if total else 0.0)

        def progress(completed: int, total: int) -> None:
            self._events.progress(row_id, READING_SHARE + (1 - READING_SHARE) * completed / max(1, total))

        hooks = {"progress": progress, "reading": reading}
        try:
            return [model(file, plan.outputs, inputs=plan.inputs, end=plan.end, name=names[0], **hooks)]
        except NovaspeechError as error:
            return [error]

    @contextmanager
    def _at_hand(self, row: Row) -> Iterator[Path]:
        """Puts the recording on this machine, inside."""
        if not is_url(row.place):
            yield Path(row.place)
            return
        filesystem, path = opened(row.place)
        with self._store.scratch() as folder:
            file = folder / PurePosixPath(path).name
            try:
                filesystem.get_file(path, str(file))
            except FileNotFoundError as error:
                raise RecordingError(f"there is no {row.place}") from error
            yield file

    def _saved(self, result: Result | NovaspeechError, record: Record, took: float) -> Ended:
        if isinstance(result, NovaspeechError):
            raise result
        plan, values = self._plan, {name: result[name] for name in result}
        shapes = {name: (len(value),) if isinstance(value, list) else value.shape for name, value in values.items()}
        ended = replace(_failed(record, ""), status="done", shapes=shapes, took=took)
        ended = replace(ended, rate=result.rate, seconds=result.seconds)
        threshold = self.load().processor.threshold
        return record.save(lambda folder: result.save(folder, plan.formats, plan.dtype), ended, threshold)


def _failed(record: Record, reason: str) -> Ended:
    return Ended(record.row.id, record.row.place, "failed", reason, attempts=len(record.tried))
