"""What one table of many recordings holds: rows of windows or segments, or statistics of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError
from novaspeech.formats.annotated import Annotated
from novaspeech.formats.given import GivenSegments
from novaspeech.formats.summary import check_statistics, heard_of, summarised
from novaspeech.formats.tables import SAVERS, Rows, beside
from novaspeech.formats.track import Kept, Tracks

SUMMARY = ".summary"  # ends the names of recordings' parts of a summary, before their endings


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
            raise RequestError(f"the table {file} must end in {' or '.join(f'.{one}' for one in SAVERS)}")
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
        if len({one.module for one in scores}) > 1:
            raise RequestError(
                f"there are scores of several modules, {', '.join(one.key for one in scores)}; name some"
            )
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

    def check_segments(self, recordings: int) -> None:
        """Raises RequestError if the segments are not there, or do not say of which of some recordings they are."""
        if self.segments:
            GivenSegments(self.segments).check(recordings)

    def rows_of(self, tracks: Tracks, record: Mapping[str, Any]) -> Rows | None:
        """A recording's rows, of what was read of its files; None if it has none of the outputs.

        Args:
            record: what `run` noted of it, if it did.

        Raises:
            RequestError: its outputs do not fit together, or it has none of the segments.
        """
        found = {track.kept.key: track for track in tracks.tracks}
        held = [found[one.key] for one in self.kept if one.key in found]
        if not held or not self.statistics:
            return beside(held) if held else None
        segments = self.segments_of(tracks.file, str(tracks.audio or tracks.file), tracks.name)
        return summarised(held, heard_of(held, tracks.duration, record), self.statistics, segments)
