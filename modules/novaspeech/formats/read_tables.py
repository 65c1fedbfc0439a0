"""Tables, read back: CSV, audformat's CSV, Parquet."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from novaspeech.errors import RequestError, quoted, require, shortened
from novaspeech.formats.read_arrays import Read, scores_track
from novaspeech.formats.text import unreadable
from novaspeech.formats.track import Track
from novaspeech.times import seconds_of

_HEAD = ["file", "start", "end"]
_LABEL, _CONFIDENCE = "label", "confidence"


def recordings_in(file: Path) -> set[str] | None:
    """The recordings that a table of results names; None for any other file, be it damaged."""
    ending = file.suffix.lower()
    try:
        if ending == ".csv":
            with _opened(file) as rows:
                head = next(rows, [])
                return {row[0] for row in rows if row} if head[:3] == _HEAD and len(head) > 3 else None
        if ending == ".parquet":
            columns = _columns(file)
            return set(columns["file"]) if list(columns)[:3] == _HEAD and len(columns) > 3 else None
        if ending == ".npz":
            with np.load(file) as arrays:
                return set() if "times" in arrays and ("values" in arrays or "names" in arrays) else None
    except (OSError, ValueError, zipfile.BadZipFile, csv.Error, RequestError):
        pass
    return None


def read_csv(file: Path, own: str) -> Read:
    """Tracks of a table of ours, or of audformat's, which is CSV with other times.

    Args:
        own: id of the output, as the file's name tells it; "" if it does not. Scores are called as their columns.

    Raises:
        RequestError: it is no such table, or something in it is no time or no number.
    """
    try:
        with _opened(file) as rows:
            head = next(rows, [])
            _check_head(file, head)
            return _read(file, own, *_parsed(head, rows))
    except RequestError:
        raise
    except (OSError, csv.Error, ValueError) as error:
        raise unreadable(file, "a table", error) from error


def _parsed(head: list[str], rows: Iterator[list[str]]) -> tuple[set[str], npt.NDArray[np.float64], dict[str, Any]]:
    """Recordings, times (n, 2) in seconds and columns of a table; ValueError for a cell that is wrong."""
    numeric = [name for name in head[3:] if _LABEL not in head or name == _CONFIDENCE]
    places, files = [head.index(name) for name in numeric], set()
    times: list[list[float]] = []
    labels: list[str] = []
    numbers: list[npt.NDArray[np.float32]] = []
    for line, row in enumerate(rows, 2):
        if len(row) != len(head):
            raise ValueError(f"row {line} has {len(row)} cells, and the first row {len(head)}")
        files.add(row[0])
        times.append([_time(row, place, f"row {line}, {_HEAD[place]}") for place in (1, 2)])
        numbers.append(_numbers([row[place] for place in places], line, numeric))
        labels += [row[head.index(_LABEL)]] if _LABEL in head else []
    matrix = np.array(numbers, np.float32).reshape(len(times), len(numeric))
    columns: dict[str, Any] = dict(zip(numeric, matrix.T, strict=True))
    if _LABEL in head:
        columns[_LABEL] = labels
    return files, np.array(times, float).reshape(-1, 2), columns


def read_parquet(file: Path, own: str) -> Read:
    """Tracks of a Parquet table; see `read_csv`."""
    columns = _columns(file)
    _check_head(file, list(columns))
    try:
        times = np.stack([_seconds(columns.pop(name)) for name in _HEAD[1:]], axis=1)
        files = set(columns.pop("file"))
        if _LABEL in columns:
            columns = {name: columns[name] for name in (_LABEL, _CONFIDENCE) if name in columns}
        for name in columns:
            if name != _LABEL:
                columns[name] = np.asarray(columns[name], np.float32)
    except (TypeError, ValueError) as error:
        raise unreadable(file, "a table", error) from error
    return _read(file, own, files, times, columns)


def _read(file: Path, own: str, files: set[str], times: npt.NDArray[np.float64], columns: Mapping[str, Any]) -> Read:
    """The tracks of columns, all of one recording, as `tables.beside` makes them."""
    if len(files) > 1:
        raise RequestError(f"{file} is a table of {len(files)} recordings; the results of one are needed")
    recording = next(iter(files), "")
    if _LABEL in columns:
        sure = columns.get(_CONFIDENCE, np.ones(len(times), np.float32))
        return Read([Track(own or "segments", "segments", times, sure, tuple(columns[_LABEL]))], recording)
    base = next(iter(columns)).rpartition("-")[0]
    if base and list(columns) == [f"{base}-{number}" for number in range(len(columns))]:
        values = np.stack(list(columns.values()), axis=1)
        return Read([Track(own or base, "vectors", times, values)], recording)
    lengths = np.rint(1000 * (times[:, 1] - times[:, 0]))
    tracks = []
    for name, values in columns.items():
        # Beside scores of another rate, a row without a score is a gap only if it is as long as one with a score.
        rows = np.isin(lengths, lengths[~np.isnan(values)]) | np.isnan(values).all()
        rows = rows if len(columns) > 1 else slice(None)
        tracks.append(scores_track(name, times[rows], values[rows]))
    return Read(tracks, recording)


@contextmanager
def _opened(file: Path) -> Iterator[Iterator[list[str]]]:
    """The rows of a CSV file, inside."""
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        yield csv.reader(lines)


def _check_head(file: Path, head: Sequence[str]) -> None:
    if list(head[:3]) != _HEAD or len(head) < 4:
        raise RequestError(
            f"{file} is no table of results: its columns are {shortened(', '.join(head)) or 'none'}, and must be file, "
            f"start, end, and then scores, or label and confidence"
        )


def _time(row: Sequence[str], place: int, where: str) -> float:
    try:
        seconds = seconds_of(row[place])
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if seconds is None:
        raise ValueError(f"{where}: a time is missing; seconds are needed")
    return seconds


def _numbers(cells: Sequence[str], line: int, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Numbers of a row, NaN for an empty cell."""
    try:
        return np.array([cell or "nan" for cell in cells], np.float32)
    except ValueError:
        for cell, name in zip(cells, names, strict=True):
            try:
                float(cell or "nan")
            except ValueError:
                raise ValueError(f"row {line}, {name}: {quoted(cell)} is no number") from None
        raise


def _columns(file: Path) -> dict[str, Any]:
    """Name → column of a Parquet table: an array, or of text a list. RequestError if it cannot be read."""
    with require("Parquet needs pyarrow", "novaspeech[formats]"):
        import pyarrow
        from pyarrow import parquet
    try:
        table = parquet.read_table(file)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise unreadable(file, "a Parquet table", error) from error
    return {
        name: column.to_pylist() if pyarrow.types.is_string(column.type) else column.to_numpy()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _seconds(column: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """A column of times, numbers or durations."""
    return column / np.timedelta64(1, "s") if column.dtype.kind == "m" else np.asarray(column, float)
