"""The unit of work: one recording, from its place to its results, that cannot be lost and is not done twice."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from novaspeech.api import Model
from novaspeech.corpus.job import Job
from novaspeech.corpus.ledger import MOST_ATTEMPTS, Attempts, Ended, Ledger
from novaspeech.corpus.rows import Row, is_url, opened
from novaspeech.corpus.store import store_at
from novaspeech.corpus.weights import at_hand, one_at_a_time
from novaspeech.errors import ModelError, NovaspeechError, RecordingError, RequestError, first_line
from novaspeech.hooks import Log
from novaspeech.result import Result

# What is wrong with the recording, or with what is asked of it, and would be so anywhere. Whatever else is raised is
# wrong with the machine, the model or the program: it ends the process, so that these cannot fail one recording after
# the other.
_FAULTS = (RecordingError, RequestError)


class Worker:
    """Does recordings of a job, one after the other; the model is loaded for the first that needs it.

    Args:
        log: takes a line about what happens at loading.
    """

    def __init__(self, job: Job, log: Log = lambda line: None) -> None:
        self._job, self._log = job, log
        self._store = store_at(job.out)
        self._ledger = Ledger(self._store)
        self._model: Model | None = None

    def load(self) -> Model:
        """The module with its model, loaded once.

        Raises:
            OptionError, WeightsError: it cannot be had.
        """
        if self._model is None:
            with one_at_a_time(self._job.order.module):
                self._model = at_hand(self._job.order).load(self._log)
            self._model.processor.log = lambda line: None  # of each recording there would be some
        return self._model

    def run(self, rows: Sequence[Row]) -> list[Ended]:
        """What became of recordings; nothing is done of those that have ended. Several share passes.

        Raises:
            NovaspeechError, OSError: what is no fault of a recording. The attempts are counted, and this process is to
                end.
        """
        found = {row.id: known for row in rows if (known := self._ledger.ended(row.id))}
        tried = {row.id: self._ledger.attempts(row.id) for row in rows if row.id not in found}
        fresh = [row for row in rows if row.id in tried and not tried[row.id]]
        # One of those that were tried may have killed its process: each alone.
        for group in (fresh, *([row] for row in rows if tried.get(row.id))):
            for ended in self._tried(group, tried):
                found[ended.id] = ended
        return [found[row.id] for row in rows]

    def close(self) -> None:
        """Removes what is on its way."""
        self._store.close()

    def _tried(self, group: Sequence[Row], tried: Mapping[str, Attempts]) -> Iterator[Ended]:
        """Does recordings that are to be done at once, if they were not tried too often."""
        waiting = {row.id: row for row in group}
        for row in group:
            if len(tried[row.id]) >= MOST_ATTEMPTS:
                reason = _given_up(tried[row.id])
                del waiting[row.id]
                yield self._end(Ended(row.id, row.place, "failed", reason, attempts=len(tried[row.id])))
            else:
                self._ledger.begin(row, tried[row.id], self._job.run)
        try:
            for ended in self._done(list(waiting.values()), tried):
                del waiting[ended.id]
                yield self._end(ended)
        except Exception as error:
            reason = f"{type(error).__name__}: {first_line(error)}"
            for row in waiting.values():
                self._ledger.fault(row, reason)
            if isinstance(error, (NovaspeechError, OSError)):
                raise
            raise ModelError(f"{', '.join(row.place for row in waiting.values())}: {reason}") from error

    def _end(self, ended: Ended) -> Ended:
        self._ledger.end(ended)
        return ended

    def _done(self, rows: Sequence[Row], tried: Mapping[str, Attempts]) -> Iterator[Ended]:
        """What becomes of recordings as their results are in their places."""
        began = time.monotonic()
        with ExitStack() as stack:
            files: dict[str, Path] = {}
            results: dict[str, Result | NovaspeechError] = {}
            for row in rows:
                try:
                    files[row.id] = stack.enter_context(self._at_hand(row))
                except RecordingError as error:
                    results[row.id] = error
            results |= zip(files, self._results(files), strict=True)
            shared = (time.monotonic() - began) / max(1, len(rows))
            for row in rows:
                began, result = time.monotonic(), results[row.id]
                ended = Ended(row.id, row.place, "failed", attempts=len(tried[row.id]) + 1)
                try:
                    if isinstance(result, NovaspeechError):
                        raise result
                    ended = replace(
                        ended,
                        status="done",
                        files=self._saved(result, row),
                        shapes=_shapes(result),
                        rate=result.rate,
                        seconds=result.seconds,
                    )
                except _FAULTS as error:
                    ended = replace(ended, reason=first_line(error))
                yield replace(ended, took=round(shared + time.monotonic() - began, 3))

    def _results(self, files: Mapping[str, Path]) -> list[Result | NovaspeechError]:
        """Of each file, named by its id: what the model found, or what is wrong."""
        order, names = self._job.order, [PurePosixPath(row_id).name for row_id in files]
        return self.load().many(list(files.values()), order.outputs, inputs=order.inputs, end=order.end, names=names)

    @contextmanager
    def _at_hand(self, row: Row) -> Iterator[Path]:
        """Inside, the recording lies on this machine."""
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

    def _saved(self, result: Result, row: Row) -> tuple[str, ...]:
        """Writes results to their place, a header after its data; gives their names."""
        order, place = self._job.order, PurePosixPath(row.id).parent
        with self._store.scratch() as folder:
            result.save(folder, order.formats, order.dtype)
            files = sorted(folder.iterdir(), key=lambda file: (not file.name.endswith("~"), file.name))
            for file in files:
                self._store.put(file, str(place / file.name))
        return tuple(sorted(str(place / file.name) for file in files))


def _shapes(result: Result) -> dict[str, tuple[int, ...]]:
    values = {name: result[name] for name in result}
    return {name: (len(value),) if isinstance(value, list) else value.shape for name, value in values.items()}


def _given_up(attempts: Attempts) -> str:
    last = attempts[-1]
    why = last.get("reason", "it was killed, or its machine was lost")
    return f"given up: {len(attempts)} processes ended over it, the last one on {last['on']}: {why}"
