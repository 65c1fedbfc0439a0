"""Tables and arrays: CSV, Parquet, npz and npy."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from novaspeech.errors import require
from novaspeech.formats.track import Track, Tracks

if TYPE_CHECKING:
    import pandas as pd

Columns = dict[str, npt.NDArray[Any]]
Rows = tuple[npt.NDArray[np.float64], Columns]  # times (n, 2) in seconds, and columns (n,)


def table(tracks: Sequence[Track], file: str, unit: str = "") -> pd.DataFrame:
    """Tracks as a table: see `Result.to_frame`."""
    return frame_of(file, *beside(tracks), unit)


def frame_of(file: str, times: npt.NDArray[np.float64], columns: Columns, unit: str) -> pd.DataFrame:
    """Times (n, 2) in seconds and columns (n,) of a recording as a table."""
    with require("tables need pandas", "novaspeech[frames]"):
        import pandas
    files = pandas.Index([file] * len(times), dtype=object)
    if unit:
        return pandas.DataFrame({"file": files, "start": times[:, 0], "end": times[:, 1], **columns})
    # Whole milliseconds keep 0.28 s from becoming 0.279999999 s.
    starts, ends = (
        pandas.to_timedelta(np.rint(1000 * column).astype("int64"), unit="ms").as_unit("ns") for column in times.T
    )
    index = pandas.MultiIndex.from_arrays([files, starts, ends], names=["file", "start", "end"])
    return pandas.DataFrame(columns, index=index)


def beside(tracks: Sequence[Track]) -> Rows:
    """Times (n, 2) in seconds, and columns of tracks of scores beside each other, or of one track of another kind.

    Scores at other times than the first ones' are NaN there, as if they had none.
    """
    first = tracks[0]
    if first.kind == "segments":
        return first.times, {"label": np.array(first.names, object), "confidence": first.values}
    if first.kind == "vectors":
        return first.times, {f"{first.id}-{number}": column for number, column in enumerate(first.values.T)}
    if all(np.array_equal(track.times, first.times) for track in tracks):
        return first.times, {track.id: track.values for track in tracks}
    rounded = [np.rint(1000 * track.times).astype(np.int64) for track in tracks]
    times, rows = np.unique(np.concatenate(rounded), axis=0, return_inverse=True)
    columns, begin = {}, 0
    for track in tracks:
        columns[track.id] = np.full(len(times), np.nan, np.float32)
        columns[track.id][rows.ravel()[begin : begin + len(track.times)]] = track.values
        begin += len(track.times)
    return times / 1000, columns


def write_csv(tracks: Tracks, group: Sequence[Track], file: Path) -> None:
    """Writes a table: times in seconds with three decimals, numbers in full, an empty cell for no score."""
    save_csv(tracks.file, *beside(group), file)


def save_csv(recording: str, times: npt.NDArray[np.float64], columns: Columns, file: Path) -> None:
    """Writes times (n, 2) in seconds and columns (n,) of a recording as `write_csv` does."""
    starts, ends = ([f"{second:.3f}" for second in column.tolist()] for column in times.T)
    _write_rows(recording, starts, ends, columns, file)


def write_audformat(tracks: Tracks, group: Sequence[Track], file: Path) -> None:
    """Writes a table as audformat does: times as "0 days 00:00:01.040000"."""
    times, columns = beside(group)
    starts, ends = map(_durations, times.T)
    _write_rows(tracks.file, starts, ends, columns, file)


def _write_rows(recording: str, starts: Sequence[str], ends: Sequence[str], columns: Columns, file: Path) -> None:
    with file.open("w", encoding="utf-8", errors="surrogateescape", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(["file", "start", "end", *columns])
        for start, end, *cells in zip(starts, ends, *columns.values(), strict=True):
            writer.writerow([recording, start, end, *("" if cell != cell else str(cell) for cell in cells)])


def _durations(seconds: npt.NDArray[np.float64]) -> list[str]:
    """Times of a column as pandas writes them: none has digits that the whole column does not need."""
    times = np.rint(1000 * seconds).astype("datetime64[ms]")
    days, seconds_only = times.astype("datetime64[D]"), times.astype("datetime64[s]")
    if (times == days).all():
        return [f"{day} days" for day in days.astype(int)]
    shown, more = (seconds_only, "") if (times == seconds_only).all() else (times, "000")
    clocks = (text.split("T")[1] for text in shown.astype(str))
    return [f"{day} days {clock}{more}" for day, clock in zip(days.astype(int), clocks, strict=True)]


def write_parquet(tracks: Tracks, group: Sequence[Track], file: Path) -> None:
    """Writes the table of `write_csv` as Parquet. Its types do not depend on what was found."""
    save_parquet(tracks.file, *beside(group), file)


def save_parquet(recording: str, times: npt.NDArray[np.float64], columns: Columns, file: Path) -> None:
    """Writes times (n, 2) in seconds and columns (n,) of a recording as `write_parquet` does."""
    with require("Parquet needs pyarrow", "novaspeech[formats]"):
        import pyarrow
        from pyarrow import parquet
    name_shown = recording.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    arrays = {
        "file": pyarrow.array([name_shown] * len(times), pyarrow.string()),
        "start": pyarrow.array(times[:, 0]),
        "end": pyarrow.array(times[:, 1]),
    }
    for name, column in columns.items():
        kind = {"O": pyarrow.string(), "i": pyarrow.int64()}.get(column.dtype.kind, pyarrow.float32())
        arrays[name] = pyarrow.array(column, kind, from_pandas=True)  # NaN becomes null
    parquet.write_table(pyarrow.table(arrays), file)


def write_npz(tracks: Tracks, group: Sequence[Track], file: Path) -> None:
    """Writes arrays for NumPy: times (n, 2) in seconds, and values; of segments names and confidences."""
    [track] = group
    arrays = {"times": track.times, "values": track.values}
    if track.kind == "segments":
        arrays = {"times": track.times, "names": np.array(track.names, str), "confidences": track.values}
    with file.open("wb") as opened:  # NumPy would change the ending of a name
        np.savez_compressed(opened, **arrays)  # type: ignore[arg-type]


def write_npy(tracks: Tracks, group: Sequence[Track], file: Path) -> None:
    """Writes the values alone, (n,) or (n, D), for readers that know their rate."""
    with file.open("wb") as opened:
        np.save(opened, group[0].values)


# Writers of tables by the formats' names: recording, times, columns, file.
SAVERS = {"csv": save_csv, "parquet": save_parquet}
