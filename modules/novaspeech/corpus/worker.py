"""The unit of work: one recording, from its place to its results, that cannot be lost and is not done twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from novaspeech.corpus.job import Job
from novaspeech.corpus.ledger import MOST_ATTEMPTS, Ended, Ledger
from novaspeech.corpus.rows import Row, is_url, opened
from novaspeech.corpus.store import store_at
from novaspeech.corpus.weights import at_hand, one_at_a_time
from novaspeech.entry import Model
from novaspeech.errors import ModelError, NovaspeechError, RecordingError, RequestError, first_line
from novaspeech.hooks import Log, Progress, ignore_progress
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

    def run(self, row: Row, progress: Progress = ignore_progress) -> Ended:
        """What became of a recording; nothing is done of one that has ended.

        Raises:
            NovaspeechError, OSError: what is no fault of the recording. The attempt is counted, and this process is to
                end.
        """
        known = self._ledger.ended(row.id)
        if known:
            return known
        before = self._ledger.attempts(row.id)
        if len(before) >= MOST_ATTEMPTS:
            ended = Ended(row.id, row.place, "failed", _given_up(before), attempts=len(before))
        else:
            self._ledger.begin(row, before, self._job.run)
            try:
                ended = self._done(row, len(before) + 1, progress)
            except Exception as error:
                reason = f"{type(error).__name__}: {first_line(error)}"
                self._ledger.fault(row, reason)
                if isinstance(error, (NovaspeechError, OSError)):
                    raise
                raise ModelError(f"{row.place}: {reason}") from error
        self._ledger.end(ended)
        return ended

    def close(self) -> None:
        """Removes what is on its way."""
        self._store.close()

    def _done(self, row: Row, attempts: int, progress: Progress) -> Ended:
        began = time.monotonic()
        try:
            with self._at_hand(row) as file, self._store.scratch() as folder:
                result = self.load()(
                    file,
                    self._job.order.outputs,
                    inputs=self._job.order.inputs,
                    end=self._job.order.end,
                    name=PurePosixPath(row.id).name,
                    progress=progress,
                )
                result.save(folder, self._job.order.formats, self._job.order.dtype)
                files = self._put(folder, row)
        except _FAULTS as error:
            took = round(time.monotonic() - began, 3)
            return Ended(row.id, row.place, "failed", first_line(error), took=took, attempts=attempts)
        return Ended(
            row.id,
            row.place,
            "done",
            files=files,
            shapes=_shapes(result),
            rate=result.rate,
            seconds=result.seconds,
            took=round(time.monotonic() - began, 3),
            attempts=attempts,
        )

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

    def _put(self, folder: Path, row: Row) -> tuple[str, ...]:
        """Moves results to their place, a header after its data; gives their names."""
        place = PurePosixPath(row.id).parent
        files = sorted(folder.iterdir(), key=lambda file: (not file.name.endswith("~"), file.name))
        names = [str(place / file.name) for file in files]
        for file, name in zip(files, names, strict=True):
            self._store.put(file, name)
        return tuple(sorted(names))


def _shapes(result: Result) -> dict[str, tuple[int, ...]]:
    values = {name: result[name] for name in result}
    return {name: (len(value),) if isinstance(value, list) else value.shape for name, value in values.items()}


def _given_up(attempts: list[dict[str, object]]) -> str:
    last = attempts[-1]
    why = last.get("reason", "it was killed, or its machine was lost")
    return f"given up: {len(attempts)} processes ended over it, the last one on {last['on']}: {why}"
