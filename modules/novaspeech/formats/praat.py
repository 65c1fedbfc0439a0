"""TextGrids for Praat, by praatio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praatio import textgrid
from praatio.utilities.constants import Interval, Point
from praatio.utilities.errors import PraatioException

from novaspeech.errors import RequestError, first_line
from novaspeech.formats.track import Tracks, belongs_to, lanes


def write_textgrid(tracks: Tracks, file: Path, place: Path) -> None:
    """Writes an interval tier for each track of segments, more where they overlap, and a tier of those without length.

    Praat has no place for confidences, and none for names that begin or end with blanks.

    Args:
        place: where it will be moved to; other tiers of an earlier one there stay.
    """
    grid = textgrid.Textgrid(0, tracks.end)
    for track in tracks.of_kind("segments"):
        segments, own = track.segments, tracks.tier(track)
        for number, lane in enumerate(lanes(one for one in segments if one.end_ms > one.start_ms), 1):
            rows = [Interval(one.start_ms / 1000, one.end_ms / 1000, one.name) for one in lane]
            name = own if number == 1 else f"{own} {number}"
            grid.addTier(textgrid.IntervalTier(name, rows, 0, tracks.end))
        points = {one.start_ms: one.name for one in segments if one.end_ms == one.start_ms}
        if points:
            rows = [Point(milliseconds / 1000, name) for milliseconds, name in points.items()]
            grid.addTier(textgrid.PointTier(f"{own} (points)", rows, 0, tracks.end))
    if place.is_file():
        grid = _merged(_read(place), grid, [tracks.tier(track) for track in tracks.of_kind("segments")])
    # A limit would make praatio join shorter intervals with their neighbours.
    grid.save(str(file), "long_textgrid", includeBlankSpaces=True, minimumIntervalLength=None)


def _merged(earlier: Any, new: Any, own: list[str]) -> Any:
    """The tiers of an earlier file that are not our own, and then the new ones."""
    end = max(earlier.maxTimestamp, new.maxTimestamp)
    grid = textgrid.Textgrid(min(0, earlier.minTimestamp), end)
    kept = [tier for tier in earlier.tiers if not belongs_to(tier.name, own)]
    for tier in (*kept, *new.tiers):
        grid.addTier(tier.new(minTimestamp=grid.minTimestamp, maxTimestamp=end))
    return grid


def tiers_of_textgrid(file: Path) -> list[str]:
    """Names of a TextGrid's tiers. Raises RequestError if it cannot be read."""
    return list(_read(file).tierNames)


def _read(file: Path) -> Any:
    try:
        return textgrid.openTextgrid(str(file), includeEmptyIntervals=False)
    except (OSError, ValueError, IndexError, KeyError, PraatioException) as error:
        raise RequestError(
            f"{file} is no TextGrid that can be read ({first_line(error)}): no tiers can be added; move it away"
        ) from error
