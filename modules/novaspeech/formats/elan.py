"""Files for ELAN: an EAF by pympi, scores as a time series that it links to."""

from __future__ import annotations

import datetime
import mimetypes
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from novaspeech.colours import COLOURS
from novaspeech.errors import RequestError, require
from novaspeech.formats.text import unreadable
from novaspeech.formats.tiers import CONFIDENCE, Labelled, Tier, printable
from novaspeech.formats.track import Track, Tracks, belongs_to, lanes
from novaspeech.segments import Segment

_CONFIDENCE = "confidence"  # type of the tiers of confidences
_READER = "mpi.eudico.client.annotator.timeseries.csv.CSVServiceProvider"


def write_eaf(tracks: Tracks, file: Path, place: Path, linked: Sequence[Path]) -> None:
    """Writes a tier for each track of segments, more where they overlap, and a tier of their confidences below it.

    A segment without length becomes a millisecond long: ELAN has none that is shorter.

    Args:
        place: where it will be moved to; other tiers and links of an earlier one there stay.
        linked: further files that ELAN opens with this one; they will lie beside it.
    """
    eaf, own = _opened(place if place.is_file() else None), [tracks.tier(track) for track in tracks.of_kind("segments")]
    for tier in [name for name in eaf.get_tier_names() if belongs_to(name, own)]:
        eaf.remove_tier(tier)
    if _CONFIDENCE not in eaf.get_linguistic_type_names():
        eaf.add_linguistic_type(_CONFIDENCE, "Symbolic_Association", timealignable=False)
    if tracks.audio is not None and not eaf.get_linked_files():
        kind = mimetypes.guess_type(tracks.audio.name)[0] or "audio/x-wav"
        eaf.add_linked_file(tracks.audio.absolute().as_uri(), _relative(tracks.audio, place), kind)
    known = {link["RELATIVE_LINK_URL"] for link in eaf.get_secondary_linked_files()}
    for other in linked:
        if f"./{other.name}" not in known:
            kind = "text/xml" if other.suffix == ".xml" else "text/csv"
            eaf.add_secondary_linked_file(other.absolute().as_uri(), f"./{other.name}", kind)
    for track in tracks.of_kind("segments"):
        for number, lane in enumerate(lanes(track.segments, shortest_ms=1), 1):
            _add_tier(eaf, tracks.tier(track) if number == 1 else f"{tracks.tier(track)} {number}", lane)
    eaf.to_file(str(file))


def tiers_of_eaf(file: Path) -> list[str]:
    """Names of an EAF's tiers. Raises RequestError if it cannot be read."""
    return list(_opened(file).get_tier_names())


def read_eaf(file: Path) -> list[Tier]:
    """The tiers of an EAF, those of our confidences within the tiers that they are below.

    A row below another one, such as a translation, has its times.

    Raises:
        RequestError: it cannot be read.
        PackageError: pympi is missing.
    """
    eaf = _opened(file, "")
    try:
        slots, above = _slots(eaf), _confidences(eaf)
        tiers = [
            (name, *tier[:3]) for name, tier in eaf.tiers.items() if name not in {f"{one}{CONFIDENCE}" for one in above}
        ]
        found = []
        for name, aligned, below, about in tiers:
            texts = {key: row[2] for key, row in aligned.items()} | {key: row[1] for key, row in below.items()}
            sure = above.get(name, {})
            rows = [Labelled(*_span(eaf, key, slots), text, sure.get(key, 1.0)) for key, text in texts.items()]
            ordered, speaker = sorted(rows, key=lambda row: row[:2]), about.get("PARTICIPANT", "")
            found.append(Tier(name, ordered, speaker, foreign=name not in above))
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise unreadable(file, "an EAF", error) from error
    return found


def _slots(eaf: Any) -> dict[str, float]:
    """Seconds of an EAF's time slots. Between two that have a time, those without one lie evenly."""
    places = np.array([place for place, time in enumerate(eaf.timeslots.values()) if time is not None])
    times = [time / 1000 for time in eaf.timeslots.values() if time is not None]
    if not times:
        return {}
    return dict(zip(eaf.timeslots, np.interp(range(len(eaf.timeslots)), places, times).tolist(), strict=True))


def _confidences(eaf: Any) -> dict[str, dict[str, float]]:
    """Tier → annotation's id → its confidence, of tiers that have one of confidences below."""
    return {
        about["PARENT_REF"]: {row[0]: float(row[1]) for row in below.values()}
        for name, (_, below, about, _) in eaf.tiers.items()
        if about.get("LINGUISTIC_TYPE_REF") == _CONFIDENCE and name == f"{about.get('PARENT_REF')}{CONFIDENCE}"
    }


def _span(eaf: Any, key: str, slots: Mapping[str, float]) -> tuple[float, float]:
    """Start and end in seconds of an annotation, or of the one above it."""
    aligned, below, *_ = eaf.tiers[eaf.annotations[key]]
    if key in aligned:
        return slots[aligned[key][0]], slots[aligned[key][1]]
    return _span(eaf, below[key][0], slots)


def _opened(file: Path | None, remark: str = ": no tiers can be added") -> Any:
    """An EAF by pympi: that of a file, or one without tiers."""
    with require("ELAN's files need pympi-ling", "novaspeech[formats]"):
        from pympi import Eaf
    if file is None:
        eaf = Eaf(author="novaspeech")
        eaf.remove_tier("default")
        return eaf
    try:
        return Eaf(str(file), suppress_version_warning=True)
    except Exception as error:  # pympi lets any through
        raise RequestError(f"{unreadable(file, 'an EAF', error)}{remark}") from error


def _add_tier(eaf: Any, name: str, segments: Iterable[Segment]) -> None:
    below = f"{name}{CONFIDENCE}"
    eaf.add_tier(name)
    eaf.add_tier(below, _CONFIDENCE, parent=name)
    for segment in segments:
        eaf.add_annotation(name, segment.start_ms, segment.end_ms, printable(segment.name))
        # pympi's own function would search all annotations for the one above by its time.
        above, own = next(reversed(eaf.annotations)), eaf.generate_annotation_id()
        eaf.annotations[own] = below
        eaf.tiers[below][1][own] = (above, f"{segment.confidence:.4g}", None, None)


def write_series(tracks: Mapping[Path, Sequence[Track]], file: Path, there: Path) -> None:
    """Writes a description of tables of scores, so that ELAN draws their columns over time.

    Args:
        tracks: a CSV file, as `tables.write_csv` makes it → its tracks in the order of its columns.
        there: an earlier description, if it is there; what it says of other files stays.
    """
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    root = ElementTree.Element("timeseries", date=now, version="1.0")
    urls = {scores.absolute().as_uri() for scores in tracks}
    if there.is_file():
        with suppress(ElementTree.ParseError):
            root.extend(one for one in ElementTree.parse(there).getroot() if one.get("source-url") not in urls)  # noqa: S314
    for scores, columns in tracks.items():
        about = {"sample-type": "Discontinuous Rate", "source-url": scores.absolute().as_uri(), "time-column": "1"}
        source = ElementTree.SubElement(root, "tracksource", about)
        ElementTree.SubElement(source, "property", key="provider", value=_READER)
        for number, track in enumerate(columns):
            _add_series(source, track, number)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(file, encoding="UTF-8", xml_declaration=True)


def _add_series(source: ElementTree.Element, track: Track, number: int) -> None:
    """Adds a column, behind file, start and end."""
    one = ElementTree.SubElement(source, "track", derivative="0", name=track.id)
    ElementTree.SubElement(one, "property", key="detect-range", value="false")
    place = ElementTree.SubElement(one, "sample-position")
    ElementTree.SubElement(place, "pos", col=str(number + 3), row="0")
    ElementTree.SubElement(one, "description")
    ElementTree.SubElement(one, "units")
    ElementTree.SubElement(one, "range", max=str(float(track.high)), min=str(float(track.low)))
    ElementTree.SubElement(one, "color").text = ",".join(map(str, bytes.fromhex(COLOURS[number % len(COLOURS)][1:])))


def _relative(audio: Path, file: Path) -> str:
    """Path to a recording as seen from an EAF, as ELAN writes it."""
    try:
        path = os.path.relpath(audio.absolute(), file.absolute().parent)
    except ValueError:  # on another drive of Windows
        return audio.absolute().as_uri()
    return Path(path).as_posix() if path.startswith("..") else f"./{Path(path).as_posix()}"
