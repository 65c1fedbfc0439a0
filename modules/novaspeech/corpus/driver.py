"""Recordings from rows to report; who hands out the work is given."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from novaspeech.audio.recording import Recording
from novaspeech.corpus.ended import Ended
from novaspeech.corpus.own_inputs import check_own
from novaspeech.corpus.plan import Plan
from novaspeech.corpus.record import Record
from novaspeech.corpus.report import Counted, Events, as_lines
from novaspeech.corpus.rows import Row
from novaspeech.corpus.store import Store, sweep
from novaspeech.errors import ModelError, RecordingError, RequestError, first_line

_STATUS_EVERY_S = 5.0
_AT_ONCE = 16  # reads of small files
_FAULTS = 3  # recordings in a row that come to no end by no fault of their own: then it is the machine's

# Has rows done, and gives what became of each, in any order; of those that are tried again it may give it each time.
Engine = Callable[[Sequence[Row], Plan, Events], Generator[Ended, None, None]]


class Driver:
    """Recordings that are to be done, or are done in part.

    Args:
        plan: checked.
        counted: is told of all that happens.
        anew: makes also what is there already.
        overwrite: replaces also what other options, another module or a person made.
        retry_failed: does again what failed before.
        shard: "I/N" if `rows` are one part of N.

    Attributes:
        plan: the given one.
        known: the end of each recording that has ended, by their ids.
        todo: recordings that have not ended.
        skipped: how many have.

    Raises:
        RequestError: below `plan.out` are results that were made in another way, or files that another module or a
            person made would be replaced.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        plan: Plan,
        counted: Counted,
        *,
        anew: bool = False,
        overwrite: bool = False,
        retry_failed: bool = False,
        shard: str = "",
    ) -> None:
        self._rows, self.plan, self._counted, self._shard = rows, plan, counted, shard
        self._anew, self._overwrite = anew, overwrite
        self._store = Store(plan.out)
        if plan.many and not overwrite:
            plan.check(self._store)
        self.known: dict[str, Ended] = {}
        self._forgotten: list[Row] = []
        for record, ended in self._looked_up(rows):
            left = record.tried and not plan.many  # by a run that was killed
            failed = ended and ended.status == "failed" and (retry_failed or not plan.many)
            if left or failed or (ended and anew):
                self._forgotten.append(record.row)
            elif ended:
                self.known[ended.id] = ended
            if record.row.id not in self.known and not overwrite and (found := record.in_the_way()):
                raise RequestError(f"{found}; --overwrite replaces it, and another --out leaves it there")
        self.todo = [row for row in rows if row.id not in self.known]
        self.skipped = len(rows) - len(self.todo)

    def run(self, engine: Engine) -> bool:
        """Does what is to be done; gives whether somebody stopped it by Ctrl-C or SIGTERM.

        Raises:
            OptionError, WeightsError: the model cannot be had.
            ModelError: several recordings in a row came to no end by no fault of their own.
        """
        if self.plan.many:
            self.plan.claim(self._store, overwrite=self._overwrite)
        for row in self._forgotten:
            Record(row, self.plan, self._store).forget(results=self._anew)
        self._counted.began(self.todo, self.skipped)
        sweep()
        try:
            with _stopped_by_signals():
                self._write_status("running")
                possible = [row for row in self.todo if self._is_possible(row)]
                if possible:
                    with closing(engine(possible, self.plan, self._counted)) as ended:
                        self._follow(ended)
        except KeyboardInterrupt:
            return True
        finally:
            for record, _ in self._looked_up([row for row in self.todo if not self._is_settled(row)]):
                if self.plan.many:
                    record.take_back()
                else:
                    record.forget()
            sweep()
            self._write_status("ended" if len(self._counted.told) == len(self.todo) else "stopped")
        return False

    def report(self) -> list[Ended]:
        """The end of each recording, also of those that another process has done; written where many are done."""
        looked_up = self._looked_up([row for row in self._rows if row.id not in self.known])
        known = {**{ended.id: ended for _, ended in looked_up if ended}, **self.known}
        report = [known.get(row.id) or Ended(row.id, row.place, "not begun") for row in self._rows]
        if self.plan.many:
            self._store.write(self._name("report", "jsonl"), as_lines(report))
        return report

    def rows_of(self, report: Iterable[Ended]) -> list[Row]:
        """The recordings of a report that are done."""
        done = {ended.id for ended in report if ended.status == "done"}
        return [row for row in self._rows if row.id in done]

    def _looked_up(self, rows: Sequence[Row]) -> Iterator[tuple[Record, Ended | None]]:
        """Records of recordings, and what became of those that have ended."""
        if not rows:
            return
        size = self._store.sizes()

        def look_up(row: Row) -> tuple[Record, Ended | None]:
            record = Record(row, self.plan, self._store, size)
            return record, record.ended()

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            yield from threads.map(look_up, rows)

    def _is_settled(self, row: Row) -> bool:
        """Whether the record of a recording tells all that is to stay."""
        known = self.known.get(row.id)
        return known is not None and (known.status == "done" or self.plan.many)

    def _is_possible(self, row: Row) -> bool:
        """Says what cannot be done before the model is loaded; never written down, since somebody may mend it."""
        try:
            self.plan.file_names(row)
            check_own(row)
            if self.plan.table:
                self.plan.table.segments_of(row.file, row.place, row.id)
            if not row.is_there:
                Recording.open(Path(row.place))
        except (RecordingError, RequestError) as error:
            self._tell(Ended(row.id, row.place, reason=first_line(error), again=True))
            return False
        return True

    def _follow(self, ended: Iterator[Ended]) -> None:
        faults, told = set[str](), time.monotonic()
        for one in ended:
            self._tell(one)
            if time.monotonic() - told >= _STATUS_EVERY_S:
                told = time.monotonic()
                self._write_status("running")
            faults = faults | {one.id} if one.again else set()
            if len(faults) == _FAULTS:
                raise ModelError(
                    f"{_FAULTS} recordings in a row came to no end, which is no fault of theirs; mend what is said of "
                    f"the last one, and the same command goes on: {one.reason}"
                )

    def _tell(self, ended: Ended) -> None:
        self.known[ended.id] = ended
        self._counted.ended(ended)

    def _write_status(self, state: str) -> None:
        if self.plan.many:
            self._store.write(self._name("status", "json"), self._counted.status(state))

    def _name(self, what: str, ending: str) -> str:
        part = f".{self._shard.replace('/', '-of-')}" if self._shard else ""
        return f"_{self.plan.module}.{what}{part}.{ending}"


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Makes SIGTERM, which schedulers send before SIGKILL, do what Ctrl-C does, inside."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
