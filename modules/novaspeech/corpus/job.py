"""What a corpus is to be made into, and where: the same for each process that works on it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from novaspeech.batch.order import Order
from novaspeech.batch.record import origin
from novaspeech.corpus.rows import Row
from novaspeech.corpus.store import BOOKS, Store
from novaspeech.corpus.weights import settled
from novaspeech.errors import RequestError, quoted
from novaspeech.hooks import Log

_JOB = f"{BOOKS}/job.json"
_SHORT_S = 15.0  # recordings up to here may share passes; longer ones fill them


@dataclass(frozen=True)
class Job:
    """An order for a corpus.

    Attributes:
        order: what to compute of each recording.
        out: folder or URL of the results.
        origin: what decides the numbers, as `claim` holds it against what is there.
        together: the most short recordings that share passes.
        run: tells the attempts of this run from those of others.
    """

    order: Order
    out: str
    origin: Mapping[str, Any]
    together: int = 1
    run: str = field(default_factory=lambda: secrets.token_hex(8))

    @classmethod
    def of(cls, order: Order, out: str, together: int, log: Log) -> Job:
        """The job of an order; all that can be wrong with it is found here, without the model.

        Raises:
            RequestError, OptionError: the order is wrong, as `Order.check` has it.
            WeightsError: there is no such model.
        """
        outputs = [output.id for output in order.check(log)]
        order, stamps = settled(order)
        made_by = origin(order)
        made_by["files"] |= stamps
        more = {"outputs": outputs, "formats": list(order.formats), "dtype": order.dtype}
        return cls(order, out, {**made_by, **more}, together)

    def claim(self, store: Store) -> None:
        """Makes a place this job's, if it is not that already.

        Raises:
            RequestError: another job's results are there.
        """
        if store.read(_JOB) is None:
            store.write(_JOB, json.dumps(self.origin, indent=1).encode())
        self.check(store)  # of two that come at once, the later one's is there

    def check(self, store: Store) -> None:
        """Sees whether a place is free or this job's.

        Raises:
            RequestError: another job's results are there.
        """
        mine, content = json.loads(json.dumps(self.origin)), store.read(_JOB)
        if content is None:
            return
        try:
            there = dict(json.loads(content))
        except ValueError as error:
            raise RequestError(f"{self.out} holds a {_JOB} that is no JSON; take another --out") from error
        differing = list(_differences(there, mine))
        if differing:
            raise RequestError(
                f"{self.out} holds results of another job, which differs in {'; '.join(differing)}; take "
                f"another --out, or the same job"
            )

    def groups(self, rows: Iterable[Row]) -> Iterator[list[Row]]:
        """Rows as they are worked on: each alone, of short neighbours `together`."""
        waiting: list[Row] = []
        for row in rows:
            short = self.together > 1 and 0 < row.size <= _SHORT_S
            if waiting and not (short and len(waiting) < self.together):
                yield waiting
                waiting = []
            if short:
                waiting.append(row)
            else:
                yield [row]
        if waiting:
            yield waiting


def _differences(there: Any, mine: Any, name: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(mine, dict):
        for key in [*there, *(key for key in mine if key not in there)]:
            yield from _differences(there.get(key), mine.get(key), f"{name}.{key}" if name else key)
    elif there != mine:
        yield f"{name} ({quoted(str(there))} there, {quoted(str(mine))} here)"


def shard_of(rows: Sequence[Any], shard: str) -> list[Any]:
    """The I-th of N parts of rows that are sorted by size, so that parts take about as long; `shard` is "I/N".

    Raises:
        RequestError: it is no such text.
    """
    index, _, count = shard.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise RequestError(f"--shard is {shard!r}; it must be I/N with I from 1 to N, as 3/16")
    return list(rows[int(index) - 1 :: int(count)])
