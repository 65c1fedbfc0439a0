"""The unit of work: one recording, from its place to its results, that cannot be lost and is not done twice."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from novaspeech.api import Model
from novaspeech.audio.excerpt import Part
from novaspeech.corpus.ended import Ended
from novaspeech.corpus.plan import Plan
from novaspeech.corpus.record import Record
from novaspeech.corpus.report import Events
from novaspeech.corpus.rows import Row
from novaspeech.corpus.store import Store, is_url, opened, scratch
from novaspeech.errors import NovaspeechError, RecordingError, RequestError, first_line
from novaspeech.result import Result

# Faults of the recording, or of what is asked of it, that would be the same anywhere. Whatever else is raised may
# be wrong with the machine, the model or the program: another attempt may do better.
_FAILURES = (RecordingError, RequestError)

_READING_SHARE = 0.05  # of a recording's progress, for decoding it


class Worker:
    """Does recordings of a plan, one after the other; the model is loaded for the first that needs it."""

    def __init__(self, plan: Plan, events: Events) -> None:
        self._plan, self._events, self._store = plan, events, Store(plan.out)
        self._model: Model | None = None

    def load(self) -> Model:
        """The module with its model, loaded once. Raises OptionError or WeightsError if it cannot be had."""
        if self._model is None:
            self._model = self._plan.load(self._events.log)
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
            self.load()
            yield from self._tried(group)

    def _tried(self, group: Sequence[Record]) -> Iterator[Ended]:
        """Does recordings at once, and each alone that this way comes to no end."""
        waiting, began = {record.row.id: record for record in group}, time.monotonic()
        for record in group:
            record.begin()
        try:
            for ended in self._done(group):
                del waiting[ended.id]
                yield ended
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are to be done
            if len(group) == 1:
                yield _failure(group[0], error, took=time.monotonic() - began)
                return
        for record in waiting.values():
            record.take_back()
        for record in waiting.values():
            yield from self._tried([record])

    def _done(self, group: Sequence[Record]) -> Iterator[Ended]:
        """The end of each recording that the model can hear, as soon as its results are in their places."""
        began = time.monotonic()
        for record, result in zip(group, self._results([record.row for record in group]), strict=True):
            if isinstance(result, Result):
                result.file = record.row.file or record.row.place
                took = round((time.monotonic() - began) / len(group), 3)
                yield record.save(result, took, self.load().processor.threshold)

    def _results(self, rows: Sequence[Row]) -> list[Result | NovaspeechError]:
        """Result of each recording, or of several its error; that of a single one is raised."""
        plan, model = self._plan, self.load()
        with ExitStack() as stack:
            files = [stack.enter_context(_at_hand(row.place)) for row in rows]
            if len(rows) > 1:
                names = [row.name for row in rows]
                return model.many(
                    [audio_of(*one) for one in zip(rows, files, strict=True)],
                    plan.outputs,
                    inputs=plan.inputs,
                    end=plan.end,
                    names=names,
                )
            [row], [file] = rows, files

            def reading(completed: int, total: int) -> None:
                self._events.progress(row.id, _READING_SHARE * min(1.0, completed / total) if total else 0.0)

            def progress(completed: int, total: int) -> None:
                self._events.progress(row.id, _READING_SHARE + (1 - _READING_SHARE) * completed / max(1, total))

            hooks = {"progress": progress, "reading": reading}
            inputs = {**plan.inputs, **row.inputs}
            return [model(audio_of(row, file), plan.outputs, inputs=inputs, end=plan.end, name=row.name, **hooks)]


def _failure(record: Record, error: Exception, took: float) -> Ended:
    """The end of a recording over which something was raised."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, _FAILURES):
        return record.fail(first_line(error), took=round(took, 3), trace=trace)
    kind = "" if isinstance(error, NovaspeechError) else f"{type(error).__name__}: "
    return record.fault(f"{kind}{first_line(error)}", trace=trace)


def audio_of(row: Row, file: Path) -> Path | Part:
    """What is heard of a row's file."""
    if not row.is_part:
        return file
    begin, end = row.span or (0, None)
    return Part(file, begin / 1000, None if end is None else end / 1000, row.channel or None)


@contextmanager
def _at_hand(place: str) -> Iterator[Path]:
    """Puts the recording on this machine, inside."""
    if not is_url(place):
        yield Path(place)
        return
    filesystem, path = opened(place)
    with scratch() as folder:
        file = folder / PurePosixPath(path).name
        try:
            filesystem.get_file(path, str(file))
        except FileNotFoundError as error:
            raise RecordingError(f"there is no {place}") from error
        yield file
