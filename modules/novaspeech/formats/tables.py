"""Tables and arrays: CSV, Parquet and npz, a file for each output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from novaspeech.errors import PackageError
from novaspeech.formats.track import Track, Tracks

if TYPE_CHECKING:
    import pandas as pd


def table(track: Track, file: str) -> pd.DataFrame:
    """A track as a table whose index is (file, start, end), as in audformat and audinterface.

    Scores have one column, vectors one for each number. Segments have a column of names and one of confidences.

    Raises:
        PackageError: pandas is missing.
    """
    pandas = _pandas()
    # Whole milliseconds keep 0.28 s from becoming 0.279999999 s.
    starts, ends = (
        pandas.to_timedelta(np.rint(1000 * column).astype("int64"), unit="ms").as_unit("ns") for column in track.times.T
    )
    columns = {track.id: track.values}
    if track.kind == "segments":
        columns = {track.id: np.array(track.names, object), "confidence": track.values}
    elif track.kind == "vectors":
        columns = {f"{track.id}-{number}": column for number, column in enumerate(track.values.T)}
    files = pandas.Index([file] * len(track.times), dtype=object)
    index = pandas.MultiIndex.from_arrays([files, starts, ends], names=["file", "start", "end"])
    found: pd.DataFrame = pandas.DataFrame(columns, index=index)
    return found


def write_csv(tracks: Tracks, track: Track, file: Path) -> None:
    """Writes a track as audformat writes tables: times as "0 days 00:00:01.040000", numbers in full."""
    table(track, tracks.file).to_csv(file, lineterminator="\n")


def write_parquet(tracks: Tracks, track: Track, file: Path) -> None:
    """Writes a track's table as Parquet, in the form of audformat's tables."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise PackageError("Parquet needs pyarrow: pip install novaspeech[formats]") from error
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
    """Writes all scores of a recording beside each other: a row a time in seconds, an empty cell for no score.

    Raises:
        PackageError: pandas is missing.
    """
    pandas = _pandas()
    columns = {
        track.id: pandas.Series(track.values, index=np.rint(1000 * track.times[:, 0]).astype("int64"))
        for track in tracks.of_kind("scores")
    }
    wide = pandas.DataFrame(columns).sort_index()
    wide.insert(0, "time", [f"{milliseconds / 1000:.3f}" for milliseconds in wide.index])
    wide.to_csv(file, index=False, lineterminator="\n")


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise PackageError("tables need pandas: pip install novaspeech[frames]") from error
    return pandas
