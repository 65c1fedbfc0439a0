"""Manifests: files that list recordings, with a row for each."""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from novaspeech.corpus.store import is_url
from novaspeech.errors import RequestError, first_line
from novaspeech.formats.rows import rows_of
from novaspeech.times import seconds_of

Span: TypeAlias = "tuple[int, int | None]"  # begin and end in ms; None is the recording's end

_BEGINS = ("offset", "start", "begin")  # NeMo, audformat and lhotse's cuts, others
MANIFESTS = (".jsonl", ".jsonl.gz", ".csv", ".tsv", ".parquet")
# Columns of the recording: NeMo, the Hub's audio folders, audformat, Common Voice.
_PLACES = ("audio_filepath", "file_name", "file", "path")


class Listed(NamedTuple):
    """A row of a manifest.

    Attributes:
        id: name of its results; of a row without one, the path below the folder that all share.
        place: path or URL of the recording.
        seconds: how long it is; 0 if the row does not say.
        span: begin and end, in ms, of the part that is meant, None for the recording's end; None for all of it.
        channel: the one that is meant, from 1 on; 0 if the row does not say.
        given: the place as the row has it.
    """

    id: str
    place: str
    seconds: float = 0.0
    span: Span | None = None
    channel: int = 0
    given: str = ""


def listed_in(manifest: str) -> Iterator[Listed]:
    """The recordings, and parts of recordings, of a manifest, a file here or at a URL.

    It is JSON lines of NeMo (`audio_filepath`, `offset`, `duration`) or lhotse (recordings and cuts), CSV or Parquet
    with a column `file_name`, `file` (audformat's tables, with `start` and `end`) or `path`. Relative paths begin at
    its folder. Times are seconds, or audformat's timedeltas; an empty end is the recording's.

    Raises:
        RequestError: it cannot be read, lists nothing, or a row names no recording or a time that is none.
        PackageError: a package for the URL's kind or for Parquet is missing.
    """
    found = [_of_row(number, row, manifest) for number, row in enumerate(rows_of(manifest), 1)]
    if not found:
        raise RequestError(f"{manifest} lists no recordings")
    absolute = {place for _, place, *_ in found if is_url(place) or Path(place).is_absolute()}
    shared = len(os.path.commonprefix([_parts(place)[:-1] for place in absolute]))  # noqa: RUF071 - of lists
    rows = Counter(row.place for row in found)
    for row in found:
        place = row.place
        parts = _parts(place)[shared if place in absolute else 0 :]
        if is_url(place):
            whole = place
        elif is_url(manifest):
            whole = posixpath.join(posixpath.dirname(manifest), place)
        else:
            whole = str(Path(manifest).expanduser().absolute().parent / Path(place).expanduser())
        own = posixpath.splitext("/".join(parts))[0] + (_mark(row) if rows[place] > 1 else "")
        yield row._replace(id=row.id or own, place=whole, given=place)


def _mark(row: Listed) -> str:
    """What tells the parts of one recording apart."""
    begin, end = row.span or (0, None)
    part = f"_{begin}-{'end' if end is None else f'{end}ms'}" if row.span else ""
    return f"{f'_ch{row.channel}' if row.channel else ''}{part}"


def _of_row(number: int, row: Mapping[str, Any], manifest: str) -> Listed:
    """The values of a row, with "" and 0 where it says nothing."""
    cut = row.get("recording")
    sources = (cut if isinstance(cut, Mapping) else row).get("sources")  # lhotse's cut, or recording
    found = next((row[key] for key in _PLACES if row.get(key)), None)
    if isinstance(sources, list):
        only = len(sources) == 1 and isinstance(sources[0], Mapping) and sources[0].get("type", "file") != "memory"
        found = sources[0].get("source") if only else None
    if not isinstance(found, str) or not found.strip():
        raise RequestError(
            f"row {number} of {manifest} names no recording; it has {', '.join(map(str, row)) or 'nothing'}, and "
            f"needs one of {', '.join(_PLACES)}, or one file in lhotse's sources"
        )
    try:
        begin = next((seconds_of(row[name]) for name in _BEGINS if row.get(name) not in (None, "")), None)
        end, seconds = seconds_of(row.get("end")), seconds_of(row.get("duration"))
        if begin is not None and end is None and seconds is not None:
            end = begin + seconds
        if begin is not None and end is not None and end <= begin:
            raise ValueError(f"it ends at {end:g} s and begins at {begin:g} s")
        channel = row.get("channel")
        number_of = channel + 1 if isinstance(channel, int) else 0  # lhotse's, from 0 on; of all channels it is a list
    except (TypeError, ValueError) as error:
        raise RequestError(f"row {number} of {manifest} names no part of a recording: {first_line(error)}") from error
    part = begin is not None or end is not None
    span = (round(1000 * (begin or 0)), None if end is None else round(1000 * end)) if part else None
    seconds = (end or 0) - (begin or 0) if part else seconds or 0.0
    return Listed(str(row.get("id") or "").strip(), found.strip(), max(0.0, seconds), span, number_of)


def _parts(place: str) -> list[str]:
    return (place if is_url(place) else Path(place).as_posix()).split("/")
