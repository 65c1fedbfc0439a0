"""Handing out of work to processes, whatever starts them, and what is done when one dies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TypeVar

from novaspeech.corpus.plan import Plan
from novaspeech.corpus.record import Ended, Record
from novaspeech.corpus.rows import Row
from novaspeech.corpus.worker import Events
from novaspeech.errors import WeightsError


class Member(ABC):
    """A process that does what this one hands over.

    Attributes:
        rows: what it has in hand.
        loaded, idle: whether it has its model, and waits for work.
        ended: how it has ended; "" if it has not.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.loaded = self.idle = False
        self.ended = ""

    @abstractmethod
    def give(self, rows: list[Row]) -> None:
        """Hands over rows."""

    @abstractmethod
    def listen(self, events: Events) -> Iterable[Ended]:
        """Takes what it says. Raises NovaspeechError if it cannot have the model."""

    @abstractmethod
    def stop(self) -> None:
        """Has it end, with nothing half done."""

    @abstractmethod
    def join(self) -> None:
        """Waits for its end."""


M = TypeVar("M", bound=Member)


def hand_out(
    rows: Sequence[Row],
    plan: Plan,
    events: Events,
    start: Callable[[bool], M],
    ready: Callable[[Sequence[M]], Sequence[M]],
    count: int,
    load_deaths: int = 0,
) -> Generator[Ended, None, None]:
    """Has rows done by a crew. What one has that dies is tried again, each recording alone, by another in its place.

    Args:
        start: starts a member; of the first one lines about loading the model are to be seen.
        ready: those of a crew that have something to say, when there is one.
        count: how many members there are at the most.
        load_deaths: how many may die, one after the other, while they load the model, else WeightsError is raised.
    """
    waiting, deaths, died_loading = deque(plan.groups(rows)), Counter[str](), 0
    crew = [start(not number) for number in range(min(count, len(waiting)))]
    with closing(plan.store()) as store, _stopped_at_last(crew) as stop:
        while crew:
            for member in ready(crew):
                yield from member.listen(events)
                if member.ended:
                    died_loading = 0 if member.loaded else died_loading + 1
                    if died_loading > load_deaths:
                        raise WeightsError(f"{member.ended} while it loaded the model; take fewer --jobs")
                    for row in member.rows:
                        deaths[row.id] += 1
                        ended = _at_fault(Record(row, plan, store), member.ended, deaths[row.id])
                        waiting.extend([[row]] if ended.again else [])
                        if len(member.rows) == 1 or not ended.again:  # of several nobody knows which was at fault
                            yield ended
                    crew.remove(member)
                    crew += [start(False)] if waiting else []
                elif member.idle and waiting:
                    member.give(waiting.popleft())
            for member in [one for one in crew if not (waiting or one.rows)]:
                stop(member)


@contextmanager
def _stopped_at_last(crew: list[M]) -> Iterator[Callable[[M], None]]:
    """Context of a function that stops a member of a crew; at its end all have ended."""
    stopped: list[M] = []

    def stop(member: M) -> None:
        member.stop()
        crew.remove(member)
        stopped.append(member)

    try:
        yield stop
    finally:
        for member in [*crew]:
            stop(member)
        for member in stopped:
            member.join()


def _at_fault(record: Record, reason: str, deaths: int) -> Ended:
    """The end of a recording whose process has died so often."""
    if known := record.ended():
        return known
    record.fault(reason, deaths)
    row, attempts = record.row, len(record.tried)
    again = Ended(row.id, row.place, reason=f"{row.place}: {reason}", attempts=attempts, again=True)
    return record.given_up() or again
