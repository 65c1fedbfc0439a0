"""`novaspeech convert`: files that a server wrote, for other programs."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError
from novaspeech.terminal.arguments import new_command
from novaspeech.terminal.outputs import add_output_arguments, read_recordings


def add_command(commands: Any) -> None:
    """Adds `convert` to the subparsers of `novaspeech`."""
    convert = new_command(commands, "convert", _convert, help="write .stream and .annotation files in other formats")
    add_output_arguments(convert)
    convert.add_argument(
        "--to",
        required=True,
        action="append",
        metavar="FORMAT",
        help="csv, parquet, npz, npy, textgrid, eaf, srt or vtt",
    )
    convert.add_argument("--out", type=Path, metavar="DIR", help="where the files go (default: beside the given ones)")


def _convert(given: argparse.Namespace) -> int:
    """Writes .stream and .annotation files in other formats; those of one recording go together.

    Examples:
        novaspeech convert a.words.annotation a.keywords.annotation --to eaf
        novaspeech convert results --to csv --to parquet
    """
    from novaspeech.formats.files import SSI, check_formats, file_names
    from novaspeech.formats.ssi import found_outputs
    from novaspeech.result import save_tracks

    groups = found_outputs(given.places)
    if given.audio and len(groups) > 1:
        raise RequestError(f"these are files of {len(groups)} recordings; --audio is for one")
    if SSI in given.to:
        raise RequestError("these files are ssi files; name another format")
    twice = [name for name, count in Counter(name for _, name in groups).items() if count > 1]
    if given.out and twice:
        raise RequestError(f"{twice[0]} is there in several folders, and --out is for all; convert them apart")
    written = 0
    for folder, tracks, _ in read_recordings(groups, given.audio):
        place = given.out or folder
        for form in dict.fromkeys(given.to):
            try:
                check_formats([form], tracks.kinds)
            except RequestError as error:
                if len(groups) == 1:
                    raise
                print(f"novaspeech: {folder / tracks.name}: {error}", file=sys.stderr)
                continue
            place.mkdir(parents=True, exist_ok=True)
            save_tracks(tracks, form, place)
            for made in file_names(tracks.name, tracks.kinds, form):
                print(place / made)
                written += 1
    return int(not written)
