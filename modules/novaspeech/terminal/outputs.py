"""Arguments of the commands over outputs, and the recordings that those belong to."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from novaspeech.errors import RequestError

if TYPE_CHECKING:
    from novaspeech.formats.track import Tracks


class Outputs(NamedTuple):
    """The outputs of a recording, read from their files.

    Attributes:
        folder: that the files are in.
        thresholds: id of an output of scores → from which one on something was taken to be so.
        records: module → what `run` noted.
    """

    folder: Path
    tracks: Tracks
    thresholds: dict[str, float]
    records: dict[str, dict[str, Any]]


def add_output_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments `places` and `audio`."""
    command.add_argument(
        "places", nargs="+", type=Path, metavar="DIR-OR-FILE", help="results in any format of run, or folders of them"
    )
    command.add_argument("--audio", type=Path, metavar="FILE", help="the recording, if it lies elsewhere")


def read_each(given: argparse.Namespace) -> Iterator[Outputs]:
    """The outputs of each recording, for commands that write one file each."""
    from novaspeech.formats.read import found_outputs

    groups = found_outputs(given.places)
    if (given.out or given.audio) and len(groups) > 1:
        raise RequestError(f"these are outputs of {len(groups)} recordings; --out and --audio are for one")
    yield from read_recordings(groups, given.audio)


def read_recordings(
    groups: Mapping[tuple[Path, str], tuple[Path | None, Sequence[Path]]], audio: Path | None
) -> Iterator[Outputs]:
    """The outputs of each recording, which is `audio`, else what lies beside them or where records say."""
    from novaspeech.corpus.notes import remembered
    from novaspeech.formats.read import read_tracks

    for (folder, name), (beside, files) in groups.items():
        recording, thresholds, records = remembered(folder, name)
        tracks = read_tracks(name, audio or beside or recording, files, records)
        file = next((str(record["file"]) for record in records.values() if record.get("file")), tracks.file)
        yield Outputs(folder, replace(tracks, file=file), thresholds, records)
