"""Statistics of outputs: a row for a recording as a whole, or for each of given segments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.errors import RequestError, quoted
from novaspeech.formats.annotated import Annotated
from novaspeech.formats.tables import Columns, Rows
from novaspeech.formats.track import Track

_STATISTICS: dict[str, Callable[[FloatArray], npt.NDArray[np.floating]]] = {
    "mean": lambda values: values.mean(axis=0, dtype=np.float64),
    # As R's sd and pandas' std: that of a sample, which a single value has not.
    "std": lambda values: values.std(axis=0, ddof=1, dtype=np.float64) if len(values) > 1 else np.nan * values[0],
    "min": lambda values: values.min(axis=0),
    "max": lambda values: values.max(axis=0),
}
_PERCENTILE = re.compile(r"p(\d{1,2}|100)")


class Heard(NamedTuple):
    """What is known of a recording's windows.

    Attributes:
        start, end: of the recording, in seconds.
        times: (n, 2) of the windows' frames, in seconds.
        usable: (n,) which had usable audio.
        silent: (n,) which are digital silence.
    """

    start: float
    end: float
    times: npt.NDArray[np.float64]
    usable: BoolArray
    silent: BoolArray


def heard_of(tracks: Sequence[Track], end: float, record: Mapping[str, Any]) -> Heard:
    """What files tell of a recording's windows.

    Args:
        tracks: of scores and vectors.
        end: of the recording, in seconds, if its record does not know it.
        record: what `run` noted of it, if it did; only there stands which windows are silent.

    Raises:
        RequestError: the tracks have different windows.
    """
    windowed = [track for track in tracks if not track.whole]
    times = windowed[0].times if windowed else np.zeros((0, 2))
    if other := next((track for track in windowed if not np.array_equal(track.times, times)), None):
        raise RequestError(f"{windowed[0].id} and {other.id} have different windows; name one of them with --output")
    usable = np.ones(len(times), bool)
    for track in windowed:
        usable &= np.isfinite(track.values) if track.kind == "scores" else track.values.any(axis=1)
    silent = np.zeros(len(times), bool)
    for run in record.get("silence", ()):
        begin, last = map(int, str(run).split("-"))
        silent[begin:last] = True
    start = float(times.min(initial=np.inf)) if len(times) else 0.0
    seconds = record.get("seconds")
    return Heard(start, start + seconds if isinstance(seconds, float) else end, times, usable, silent)


def check_statistics(names: Sequence[str]) -> None:
    """Raises RequestError for a name that is no statistic's."""
    for name in names:
        if name not in _STATISTICS and not _PERCENTILE.fullmatch(name):
            raise RequestError(
                f"there is no statistic {quoted(name)}; there are: {', '.join(_STATISTICS)}, and p10, p50, p90 or any "
                f"other percentile"
            )


def summarised(
    tracks: Sequence[Track],
    heard: Heard,
    statistics: Sequence[str],
    segments: Sequence[Annotated] | None = None,
) -> Rows:
    """Statistics of scores and vectors over windows.

    A segment has the windows whose frames' middles are in it; one without any has the window in whose frame its own
    middle is. Scores count wherever there are some. Vectors count where there is sound, unless there is none at all;
    those of the recording as a whole stay as they are.

    Args:
        tracks: of scores and vectors.
        statistics: as `check_statistics` knows them.
        segments: left out, the recording is one.

    Returns:
        times (m, 2) in seconds and columns (m,): `tier`, `speaker` and `label` of segments, `windows` (how many are
        usable), `silent` (their share without sound), then OUTPUT_STATISTIC. NaN where nothing counts.

    Raises:
        RequestError: an output is of the recording as a whole, and segments are asked for.
    """
    rows = [Annotated("", heard.start, None, "", "", "")] if segments is None else segments
    spans = np.array([(row.start, heard.end if row.end is None else row.end) for row in rows], float).reshape(-1, 2)
    inside = [_inside(heard.times, *span) for span in spans]
    columns: Columns = {}
    if segments is not None:
        columns = {
            name: np.array([getattr(row, name) for row in rows], object) for name in ("tier", "speaker", "label")
        }
    used = [rows & heard.usable for rows in inside]
    columns["windows"] = np.array([rows.sum() for rows in used], int)
    columns["silent"] = np.array([heard.silent[rows].mean() if rows.any() else np.nan for rows in used], np.float32)
    for track in tracks:
        columns |= _columns(track, heard, used, statistics, whole=segments is None)
    return spans, columns


def _columns(
    track: Track, heard: Heard, used: Sequence[BoolArray], statistics: Sequence[str], *, whole: bool
) -> Columns:
    """The columns of a track."""
    names = (
        [track.id] if track.kind == "scores" else [f"{track.id}-{number}" for number in range(track.values.shape[1])]
    )
    if track.whole:
        if not whole:
            raise RequestError(f"{track.id} is of the recording as a whole, and no segment has one; leave it out")
        return dict(zip(names, track.values.T, strict=True))
    values = track.values.reshape(len(track.values), -1)
    kept = [_counting(track, heard, rows) for rows in used]
    found: Columns = {}
    for statistic in statistics:
        compute = _STATISTICS.get(statistic) or _percentile(float(statistic[1:]))
        table = [compute(values[rows]) if rows.any() else np.full(values.shape[1], np.nan) for rows in kept]
        columns = np.array(table, np.float32).reshape(-1, values.shape[1]).T
        found |= {f"{name}_{statistic}": column for name, column in zip(names, columns, strict=True)}
    return found


def _counting(track: Track, heard: Heard, rows: BoolArray) -> BoolArray:
    """Those of a segment's windows that count."""
    if track.kind == "scores":
        return rows & np.isfinite(track.values)
    sound = rows & ~heard.silent
    return sound if sound.any() else rows


def _inside(times: npt.NDArray[np.float64], start: float, end: float) -> BoolArray:
    """(n,) which windows a segment has."""
    middles = times.mean(axis=1)
    rows = (middles >= start) & (middles < end)
    middle = (start + end) / 2
    return rows if rows.any() else (times[:, 0] <= middle) & (middle < times[:, 1])


def _percentile(share: float) -> Callable[[FloatArray], npt.NDArray[np.floating]]:
    return lambda values: np.percentile(values, share, axis=0)
