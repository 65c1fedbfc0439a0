"""What one table of many recordings holds: rows of windows or segments, or statistics of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from novaspeech.errors import RequestError
from novaspeech.formats.annotated import Annotated
from novaspeech.formats.given import GivenSegments
from novaspeech.formats.summary import check_statistics
from novaspeech.formats.tables import SAVERS
from novaspeech.formats.track import Kept


@dataclass(frozen=True)
class Table:
    """What of each recording goes into one table.

    Attributes:
        form: "csv" or "parquet".
        statistics: of a summary; without any each window or segment has a row.
        segments: file or folder of the segments that a summary has a row for; "" is a row for each recording.
        kept: its outputs.
    """

    form: str
    statistics: tuple[str, ...] = ()
    segments: str = ""
    kept: tuple[Kept, ...] = ()

    @classmethod
    def asked(cls, file: Path, summary: str, segments: str) -> Table:
        """A table that somebody asks for, `summary` as "mean,std".

        Raises:
            RequestError: no such kind of table or statistic.
        """
        form = file.suffix.lower().removeprefix(".")
        if form not in SAVERS:
            raise RequestError(f"--table is {file}; it must end in {' or '.join(f'.{one}' for one in SAVERS)}")
        statistics = tuple(part.strip() for part in summary.split(",") if part.strip())
        check_statistics(statistics)
        if segments and not statistics:
            raise RequestError("--segments is for statistics of each segment: name some, as --summary mean,std")
        return cls(form, statistics, segments)

    def holding(self, outputs: Sequence[Kept], *, named: bool) -> Table:
        """The table with its outputs: scores beside each other, or another one; of a summary vectors, too.

        Args:
            outputs: those that there are.
            named: whether somebody asked for them by their names, so that none of them is left out.

        Raises:
            RequestError: no table holds them together.
        """
        scores = [one for one in outputs if one.kind == "scores"]
        others = [one for one in outputs if one.kind != "scores" and (named or not scores)]
        if self.statistics:
            others = [one for one in others if one.kind == "vectors"]
            if not scores and not others:
                raise RequestError(
                    f"a summary has statistics of continuous annotations and streams, and {outputs[0].id} is neither; "
                    f"without --summary the table has a row for each segment"
                )
        elif len(others) + bool(scores) != 1:
            raise RequestError(
                f"a table holds continuous annotations, or one other output: name it, as --output {others[0].id}; "
                f"there are: {', '.join(one.id for one in outputs)}"
            )
        return replace(self, kept=(*scores, *others))

    def segments_of(self, file: str, place: str, name: str) -> list[Annotated] | None:
        """The segments of a recording, as `GivenSegments.of`; None if there are none for all."""
        return GivenSegments(self.segments).of(file, place, name) if self.segments else None
