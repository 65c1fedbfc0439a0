"""Tables and arrays: CSV, Parquet and npz, a file for each output."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from novaspeech.errors import require
from novaspeech.formats.track import Track, Tracks

if TYPE_CHECKING:
    import pandas as pd


def table(track: Track, file: str) -> pd.DataFrame:
    """A track as a table whose index is (file, start, end), as in audformat; see `Result.to_frame`."""
    pandas = _pandas()
    # Whole milliseconds keep 0.28 s from becoming 0.279999999 s.
    starts, ends = (
        pandas.to_timedelta(np.rint(1000 * column).astype("int64"), unit="ms").as_unit("ns") for column in track.times.T
    )
    files = pandas.Index([file] * len(track.times), dtype=object)
    index = pandas.MultiIndex.from_arrays([files, starts, ends], names=["file", "start", "end"])
    found: pd.DataFrame = pandas.DataFrame(_columns(track), index=index)
    return found


def write_csv(tracks: Tracks, track: Track, file: Path) -> None:
    """Writes a track as audformat writes tables: times as "0 days 00:00:01.040000", numbers in full."""
    columns = _columns(track)
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(["file", "start", "end", *columns])
        for start, end, *cells in zip(*map(_durations, track.times.T), *columns.values(), strict=True):
            writer.writerow([tracks.file, start, end, *("" if cell != cell else str(cell) for cell in cells)])


def _columns(track: Track) -> dict[str, npt.NDArray[Any]]:
    """The columns of a track's table beside its times."""
    if track.kind == "segments":
        return {track.id: np.array(track.names, object), "confidence": track.values}
    if track.kind == "vectors":
        return {f"{track.id}-{number}": column for number, column in enumerate(track.values.T)}
    return {track.id: track.values}


def _durations(seconds: npt.NDArray[np.float64]) -> list[str]:
    """Times of a column as pandas writes them: none has digits that the whole column does not need."""
    times = np.rint(1000 * seconds).astype("datetime64[ms]")
    days, seconds_only = times.astype("datetime64[D]"), times.astype("datetime64[s]")
    if (times == days).all():
        return [f"{day} days" for day in days.astype(int)]
    shown, more = (seconds_only, "") if (times == seconds_only).all() else (times, "000")
    clocks = (text.split("T")[1] for text in shown.astype(str))
    return [f"{day} days {clock}{more}" for day, clock in zip(days.astype(int), clocks, strict=True)]


def write_parquet(tracks: Tracks, track: Track, file: Path) -> None:
    """Writes a track's table as Parquet, in the form of audformat's tables."""
    with require("Parquet needs pyarrow", "novaspeech[formats]"):
        import pyarrow  # noqa: F401
    table(track, tracks.file).reset_index().to_parquet(file, engine="pyarrow", index=False)


def write_npz(tracks: Tracks, track: Track, file: Path) -> None:
    """Writes arrays for NumPy: times (n, 2) in seconds, and values; of segments names and confidences."""
    arrays = {"times": track.times, "values": track.values}
    if track.kind == "segments":
        arrays = {"times": track.times, "names": np.array(track.names, str), "confidences": track.values}
    with file.open("wb") as opened:  # NumPy would change the ending of a name
        np.savez_compressed(opened, **arrays)  # type: ignore[arg-type]


def write_npy(tracks: Tracks, track: Track, file: Path) -> None:
    """Writes the values alone, (n,) or (n, D), for readers that know their rate."""
    with file.open("wb") as opened:
        np.save(opened, track.values)


def write_scores(tracks: Tracks, file: Path) -> None:
    """Writes all scores of a recording beside each other: a row a time in seconds, an empty cell for no score."""
    pandas = _pandas()
    columns = {
        track.id: pandas.Series(track.values, index=np.rint(1000 * track.times[:, 0]).astype("int64"))
        for track in tracks.of_kind("scores")
    }
    wide = pandas.DataFrame(columns).sort_index()
    wide.insert(0, "time", [f"{milliseconds / 1000:.3f}" for milliseconds in wide.index])
    wide.to_csv(file, index=False, lineterminator="\n")


def _pandas() -> Any:
    with require("tables need pandas", "novaspeech[frames]"):
        import pandas
    return pandas
