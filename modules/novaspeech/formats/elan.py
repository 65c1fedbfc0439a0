"""Files for ELAN: an EAF by pympi, scores as a time series that it links to."""

from __future__ import annotations

import datetime
import mimetypes
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from novaspeech.colours import COLOURS
from novaspeech.errors import require
from novaspeech.formats.track import Track, Tracks, lanes
from novaspeech.segments import Segment

_CONFIDENCE = "confidence"
_READER = "mpi.eudico.client.annotator.timeseries.csv.CSVServiceProvider"


def write_eaf(tracks: Tracks, file: Path, linked: Sequence[Path]) -> None:
    """Writes a tier for each track of segments, more where they overlap, and a tier of their confidences below it.

    A segment without length becomes a millisecond long: ELAN has none that is shorter.

    Args:
        linked: further files that ELAN opens with this one; they will lie beside it.
    """
    with require("ELAN's files need pympi-ling", "novaspeech[formats]"):
        from pympi import Eaf
    eaf = Eaf(author="novaspeech")
    eaf.remove_tier("default")
    eaf.add_linguistic_type(_CONFIDENCE, "Symbolic_Association", timealignable=False)
    if tracks.audio is not None:
        kind = mimetypes.guess_type(tracks.audio.name)[0] or "audio/x-wav"
        eaf.add_linked_file(tracks.audio.absolute().as_uri(), f"./{tracks.audio.name}", kind)
    for other in linked:
        kind = "text/xml" if other.suffix == ".xml" else "text/csv"
        eaf.add_secondary_linked_file(other.absolute().as_uri(), f"./{other.name}", kind)
    for track in tracks.of_kind("segments"):
        for number, lane in enumerate(lanes(track.segments, shortest_ms=1), 1):
            _add_tier(eaf, track.id if number == 1 else f"{track.id} {number}", lane)
    eaf.to_file(str(file))


def _add_tier(eaf: Any, name: str, segments: Iterable[Segment]) -> None:
    below = f"{name} {_CONFIDENCE}"
    eaf.add_tier(name)
    eaf.add_tier(below, _CONFIDENCE, parent=name)
    for segment in segments:
        eaf.add_annotation(name, segment.start_ms, segment.end_ms, segment.name)
        # pympi's own function would search all annotations for the one above by its time.
        above, own = next(reversed(eaf.annotations)), eaf.generate_annotation_id()
        eaf.annotations[own] = below
        eaf.tiers[below][1][own] = (above, f"{segment.confidence:.4g}", None, None)


def write_series(tracks: Iterable[Track], file: Path, scores: Path) -> None:
    """Writes a description of a CSV file, so that ELAN draws its columns over time.

    Args:
        tracks: tracks of scores in the order of the columns; the first column is the time.
    """
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    root = ElementTree.Element("timeseries", date=now, version="1.0")
    source = ElementTree.SubElement(
        root,
        "tracksource",
        {"sample-type": "Discontinuous Rate", "source-url": scores.absolute().as_uri(), "time-column": "0"},
    )
    ElementTree.SubElement(source, "property", key="provider", value=_READER)
    for number, track in enumerate(tracks):
        one = ElementTree.SubElement(source, "track", derivative="0", name=track.id)
        ElementTree.SubElement(one, "property", key="detect-range", value="false")
        place = ElementTree.SubElement(one, "sample-position")
        ElementTree.SubElement(place, "pos", col=str(number + 1), row="0")
        ElementTree.SubElement(one, "description")
        ElementTree.SubElement(one, "units")
        ElementTree.SubElement(one, "range", max=str(float(track.high)), min=str(float(track.low)))
        ElementTree.SubElement(one, "color").text = ",".join(
            map(str, bytes.fromhex(COLOURS[number % len(COLOURS)][1:]))
        )
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(file, encoding="UTF-8", xml_declaration=True)
