"""TextGrids for Praat, written by praatio.

They are read here: praatio's parser breaks at names with "item [", doubles the quotes in points, and what it opens may
not have two tiers of one name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from praatio import textgrid
from praatio.utilities.constants import Interval, Point
from praatio.utilities.errors import PraatioException

from novaspeech.errors import RequestError, first_line, quoted
from novaspeech.formats.text import text_of, unreadable
from novaspeech.formats.tiers import POINTS, Labelled, Tier, printable
from novaspeech.formats.track import Tracks, belongs_to, lanes
from novaspeech.segments import Segment

# Praat reads texts in quotes and numbers that stand free; all else is a remark for people. A lone quote is a text that
# was cut.
_TOKEN = re.compile(r'"((?:[^"]|"")*)"(?!")|"|(?<![^\s=])([-+]?\d[\d.eE+-]*)(?!\S)')


def write_textgrid(tracks: Tracks, file: Path, place: Path) -> None:
    """Writes an interval tier for each track of segments, more where they overlap, and a tier of those without length.

    Praat has no place for confidences, none for empty names, and none for blanks at the ends of names.

    Args:
        place: where it will be moved to; other tiers of an earlier one there stay.
    """
    grid = textgrid.Textgrid(0, tracks.end)
    for track in tracks.of_kind("segments"):
        segments, own = track.segments, tracks.tier(track)
        for number, lane in enumerate(lanes(one for one in segments if one.end_ms > one.start_ms), 1):
            rows = [Interval(one.start_ms / 1000, one.end_ms / 1000, printable(one.name)) for one in lane]
            grid.addTier(textgrid.IntervalTier(_numbered(own, number), rows, 0, tracks.end))
        for number, lane in enumerate(_point_lanes(segments), 1):
            rows = [Point(one.start_ms / 1000, printable(one.name)) for one in lane]
            grid.addTier(textgrid.PointTier(f"{_numbered(own, number)}{POINTS}", rows, 0, tracks.end))
    if place.is_file():
        grid = _merged(_to_add_to(place), grid, [tracks.tier(track) for track in tracks.of_kind("segments")])
    # A limit would make praatio join shorter intervals with their neighbours.
    grid.save(str(file), "long_textgrid", includeBlankSpaces=True, minimumIntervalLength=None)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} {number}"


def _point_lanes(segments: list[Segment]) -> list[list[Segment]]:
    """Segments without length, on as few tiers as it takes for no two to be at one time."""
    found: list[list[Segment]] = []
    for one in (segment for segment in segments if segment.end_ms == segment.start_ms):
        for lane in found:
            if lane[-1].start_ms < one.start_ms:
                lane.append(one)
                break
        else:
            found.append([one])
    return found


def _merged(earlier: Any, new: Any, own: list[str]) -> Any:
    """The tiers of an earlier file that are not our own, and then the new ones."""
    end = max(earlier.maxTimestamp, new.maxTimestamp)
    grid = textgrid.Textgrid(min(0, earlier.minTimestamp), end)
    kept = [tier for tier in earlier.tiers if not belongs_to(tier.name, own)]
    for tier in (*kept, *new.tiers):
        grid.addTier(tier.new(minTimestamp=grid.minTimestamp, maxTimestamp=end))
    return grid


def tiers_of_textgrid(file: Path) -> list[str]:
    """Names of a TextGrid's tiers; RequestError if it cannot be read, or praatio cannot write it."""
    return list(_to_add_to(file).tierNames)


def _to_add_to(file: Path) -> Any:
    """A TextGrid as praatio has it, to which tiers can be added."""
    try:
        tiers = read_textgrid(file)
        start, end = min((tier.start for tier in tiers), default=0), max((tier.end for tier in tiers), default=0)
        grid = textgrid.Textgrid(start, end)
        for tier in tiers:
            if tier.points:
                made = textgrid.PointTier(tier.name, [Point(row.start, row.label) for row in tier.rows], start, end)
            else:
                made = textgrid.IntervalTier(tier.name, [Interval(*row[:3]) for row in tier.rows], start, end)
            grid.addTier(made)
    except RequestError as error:
        raise RequestError(f"{error}: no tiers can be added") from error
    except PraatioException as error:  # two tiers of one name, intervals that overlap
        raise RequestError(
            f"{file}: no tiers can be added, since its tier {quoted(tier.name)} cannot be written again "
            f"({first_line(error)}); rename or mend that tier"
        ) from error
    return grid


def read_textgrid(file: Path) -> list[Tier]:
    """The tiers of a TextGrid, long or short, without what has no label. Raises RequestError if it cannot be read."""
    try:
        return list(_tiers(text_of(file)))
    except ValueError as error:
        if isinstance(error, RequestError):
            raise
        raise unreadable(file, "a TextGrid", error) from error


def _tiers(text: str) -> Iterator[Tier]:
    tokens = _TOKEN.finditer(text)

    def word(what: str) -> str:
        found = next(tokens, None)
        if found is None or found[1] is None:
            raise ValueError(f"{what} is missing" if found is None else f"{found[0]} is where {what} should be")
        return found[1].replace('""', '"').strip()

    def number(what: str) -> float:
        found = next(tokens, None)
        if found is None or found[2] is None:
            raise ValueError(f"{what} is missing" if found is None else f"{found[0]} is where {what} should be")
        return float(found[2])

    if not word("the word ooTextFile").startswith("ooTextFile") or word("the word TextGrid") != "TextGrid":
        raise ValueError("it does not begin with ooTextFile and TextGrid")
    number("its start"), number("its end")
    for _ in range(int(number("the number of tiers"))):
        points, name = word("a tier's class") == "TextTier", word("a tier's name")
        start, end = number("a tier's start"), number("a tier's end")
        rows = []
        for _ in range(int(number("the number of a tier's rows"))):
            begins = number("a time")
            row = Labelled(begins, begins if points else number("a time"), word("a label"))
            rows += [row] if row.label else []
        yield Tier(name, rows, points=points, start=start, end=end)
