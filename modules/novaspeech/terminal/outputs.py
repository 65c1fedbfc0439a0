"""What commands over outputs share: which are named, and the recordings that they belong to."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaspeech.formats.track import Tracks


def add_output_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments `places` and `audio`."""
    command.add_argument(
        "places", nargs="+", type=Path, metavar="DIR-OR-FILE", help=".stream and .annotation files, or folders of them"
    )
    command.add_argument("--audio", type=Path, metavar="FILE", help="the recording, if it lies elsewhere")


def read_recordings(
    groups: Mapping[tuple[Path, str], tuple[Path | None, Sequence[Path]]], audio: Path | None
) -> Iterator[tuple[Path, Tracks, dict[str, float]]]:
    """Folder, outputs and thresholds of each recording.

    Args:
        groups: as `found_outputs` gives them.
        audio: the recording; None looks beside the outputs, and where their records say.

    Raises:
        RequestError, RecordingError: an output or a recording cannot be read.
    """
    from novaspeech.batch.record import Remembered
    from novaspeech.formats.ssi import read_tracks

    for (folder, name), (beside, files) in groups.items():
        known = Remembered.of(folder, name)
        yield folder, read_tracks(name, audio or beside or known.recording, files), known.thresholds
