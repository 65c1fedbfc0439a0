"""Segments that people made: tiers of Praat and ELAN, tables, subtitles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from novaspeech.errors import RequestError, first_line, shortened
from novaspeech.formats.elan import read_eaf
from novaspeech.formats.praat import read_textgrid
from novaspeech.formats.rows import rows_of
from novaspeech.formats.spoken import read_chat, read_whisper
from novaspeech.formats.subtitles import read_subtitles
from novaspeech.formats.tiers import Tier
from novaspeech.times import seconds_of

_TIERS: dict[str, Callable[[Path], list[Tier]]] = {
    ".textgrid": read_textgrid,
    ".eaf": read_eaf,
    ".cha": read_chat,
    ".json": read_whisper,
    **dict.fromkeys((".srt", ".vtt"), lambda file: [Tier("", read_subtitles(file))]),
}
_TABLES = (".csv", ".tsv", ".parquet")
ENDINGS = (*_TIERS, *_TABLES)


class Annotated(NamedTuple):
    """A segment of a recording.

    Attributes:
        file: the recording as a table names it; "" where the file is of one recording and does not say which.
        start, end: in seconds; an end of None is the recording's.
        tier: name of its tier; "" if it has none.
        speaker: ELAN's participant, or a table's speaker; "" if nobody said.
        label: its text.
    """

    file: str
    start: float
    end: float | None
    tier: str
    speaker: str
    label: str


def segments_in(file: Path) -> list[Annotated]:
    """The segments of a file, in the order of its tiers and rows.

    - `.TextGrid`, `.eaf`: the rows of all tiers, but for points, and in Praat for intervals without a label.
    - `.csv`, `.tsv`, `.parquet`: `start` and `end` in seconds, or audformat's timedeltas; an empty end is the
      recording's. `file`, `tier`, `speaker` and `label`, or `text`, may be there, too.
    - `.cha` of CHAT, `.json` of whisper and whisperX: the utterances.
    - `.srt`, `.vtt`: the cues.

    Raises:
        RequestError: the file is missing, of another kind or damaged, or a segment has no time, or ends too early.
        PackageError: a package that reads this kind of file is missing.
    """
    file, ending = file.expanduser(), file.suffix.lower()
    if not file.is_file():
        raise RequestError(f"{file} does not exist")
    if ending not in ENDINGS:
        listed = ", ".join((".TextGrid", *list(_TIERS)[1:], *_TABLES))
        raise RequestError(f"{file} holds no segments that can be read; its ending must be one of {listed}")
    return list(_of_tiers(_TIERS[ending](file)) if ending in _TIERS else _of_table(file))


def _of_tiers(tiers: list[Tier]) -> Iterator[Annotated]:
    for tier in tiers:
        for row in tier.rows if not tier.points else ():
            yield Annotated("", row.start, row.end, tier.name, tier.speaker, row.label)


def _of_table(file: Path) -> Iterator[Annotated]:
    for number, row in enumerate(rows_of(str(file)), 1):
        if not {"start", "end"} <= row.keys():
            has = shortened(", ".join(map(str, row))) or "none"
            raise RequestError(f"{file} has no columns start and end, in seconds; its columns are {has}")
        try:
            start, end = seconds_of(row["start"]), seconds_of(row["end"])
            if start is None:
                raise ValueError("its start is empty; seconds are needed")
            if end is not None and end < start:
                raise ValueError(f"it ends at {end:g} s and begins at {start:g} s")
        except ValueError as error:
            raise RequestError(f"row {number} of {file} is no segment: {first_line(error)}") from error
        label = _text(row, "label") or _text(row, "text")
        yield Annotated(_text(row, "file"), start, end, _text(row, "tier"), _text(row, "speaker"), label)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None or value != value else str(value)  # a float that is no number stands for no text
