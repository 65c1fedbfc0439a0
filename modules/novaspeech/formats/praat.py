"""TextGrids for Praat, by praatio."""

from __future__ import annotations

from pathlib import Path

from praatio import textgrid
from praatio.utilities.constants import Interval, Point

from novaspeech.formats.track import Tracks, lanes


def write_textgrid(tracks: Tracks, file: Path) -> None:
    """Writes an interval tier for each track of segments, more where they overlap, and a tier of those without length.

    Praat has no place for confidences, and none for names that begin or end with blanks.
    """
    grid = textgrid.Textgrid(0, tracks.end)
    for track in tracks.of_kind("segments"):
        segments = track.segments
        for number, lane in enumerate(lanes(one for one in segments if one.end_ms > one.start_ms), 1):
            rows = [Interval(one.start_ms / 1000, one.end_ms / 1000, one.name) for one in lane]
            name = track.id if number == 1 else f"{track.id} {number}"
            grid.addTier(textgrid.IntervalTier(name, rows, 0, tracks.end))
        points = {one.start_ms: one.name for one in segments if one.end_ms == one.start_ms}
        if points:
            rows = [Point(milliseconds / 1000, name) for milliseconds, name in points.items()]
            grid.addTier(textgrid.PointTier(f"{track.id} (points)", rows, 0, tracks.end))
    # A limit would make praatio join shorter intervals with their neighbours.
    grid.save(str(file), "long_textgrid", includeBlankSpaces=True, minimumIntervalLength=None)
