"""Segments that somebody gives for recordings: one file for all of them, or a folder with a file for each."""

from __future__ import annotations

import glob
from functools import lru_cache
from pathlib import Path, PurePath

from novaspeech.errors import RequestError
from novaspeech.formats.annotated import ENDINGS, Annotated, segments_in

_NAMED = 3  # recordings that a message names


class GivenSegments:
    """Segments of recordings.

    Args:
        place: a table with a column `file`, a file of one recording's segments, or a folder in which those of
            `talks/anna.wav` are `anna.TextGrid`, `anna.eaf` or `anna.csv`.
    """

    def __init__(self, place: str | Path) -> None:
        self._place = Path(place).expanduser()

    def check(self, recordings: int) -> None:
        """Raises RequestError for no such place, a file that cannot be read, or one that does not say whose it is."""
        if not self._place.is_dir() and not any(row.file for row in _rows(self._place)) and recordings > 1:
            raise RequestError(
                f"{self._place} does not say of which recording its segments are; a column `file` or a folder with a "
                f"file for each recording does"
            )

    def of(self, file: str, place: str, name: str) -> list[Annotated]:
        """The segments of a recording, in the order of the file.

        Args:
            file: the recording as tables name it.
            place: its path or URL.
            name: what it is called, without ending, maybe with folders.

        Raises:
            RequestError: there are none, or the file cannot be read.
        """
        if self._place.is_dir():
            return _rows(self._in_folder(name))
        rows = _rows(self._place)
        found = [row for row in rows if not row.file or self._is_meant(row.file, file, place)]
        if not found:
            named = list(dict.fromkeys(row.file for row in rows))
            more = ", …" if len(named) > _NAMED else ""
            raise RequestError(f"{self._place} has no segments of {file}, but of {', '.join(named[:_NAMED])}{more}")
        return found

    def _is_meant(self, named: str, file: str, place: str) -> bool:
        """Whether a table means a recording: by its name in tables, from the table's folder on, or by a path's end."""
        if named == file or str(self._place.absolute().parent / named) == place:
            return True
        path = PurePath(named)
        return not path.is_absolute() and PurePath(place).parts[-len(path.parts) :] == path.parts

    def _in_folder(self, name: str) -> Path:
        named = dict.fromkeys(self._place / one for one in (name, PurePath(name).name))
        beside = (
            file
            for one in named
            if one.parent.is_dir()
            for file in sorted(one.parent.glob(f"{glob.escape(one.name)}.*"))
        )
        found = [file for file in beside if file.with_suffix("") in named and file.suffix.lower() in ENDINGS]
        if len(found) != 1:
            there = (
                f"more than one, {', '.join(file.name for file in found)}"
                if found
                else f"no {name}.TextGrid, .eaf or .csv"
            )
            raise RequestError(f"{self._place} has {there}; it must have one file of segments for each recording")
        return found[0]


def _rows(file: Path) -> list[Annotated]:
    """Segments in a file, read once for all recordings that it names."""
    status = file.stat() if file.is_file() else None
    return _read(file, status and status.st_mtime_ns)


@lru_cache(maxsize=2)
def _read(file: Path, modified: int | None) -> list[Annotated]:
    return segments_in(file)
