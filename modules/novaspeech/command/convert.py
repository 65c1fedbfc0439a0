"""`novaspeech convert`: files that a server wrote, for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError


def add_command(commands: Any) -> None:
    """Adds `convert` to the subparsers of `novaspeech`."""
    convert = commands.add_parser(
        "convert", help="write .stream and .annotation files in other formats", description=_convert.__doc__
    )
    convert.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".stream and .annotation files")
    convert.add_argument(
        "--to", required=True, action="append", metavar="FORMAT", help="csv, parquet, npz, textgrid, eaf, srt or vtt"
    )
    convert.add_argument("--audio", type=Path, metavar="FILE", help="the recording, if it lies elsewhere")
    convert.add_argument("--out", type=Path, metavar="DIR", help="where the files go (default: beside the given ones)")
    convert.set_defaults(command=_convert)


def _convert(given: argparse.Namespace) -> int:
    """Writes .stream and .annotation files in other formats; those of one recording go together."""
    from novaspeech.formats.files import SSI, check_formats, file_names
    from novaspeech.reading import OUTPUTS, group, read_tracks
    from novaspeech.result import save_tracks

    for file in given.files:
        if file.suffix not in OUTPUTS:
            raise RequestError(f"{file} is no {' or '.join(OUTPUTS)} file; `novaspeech run` writes some")
        if not file.is_file():
            raise RequestError(f"{file} does not exist")
    groups = group(list(dict.fromkeys(given.files)))
    if given.audio and len(groups) > 1:
        raise RequestError(f"these are files of {len(groups)} recordings; --audio is for one")
    if SSI in given.to:
        raise RequestError("these files are ssi files; name another format")
    for (folder, name), (audio, files) in groups.items():
        tracks, place = read_tracks(name, given.audio or audio, files), given.out or folder
        check_formats(given.to, tracks.kinds)
        place.mkdir(parents=True, exist_ok=True)
        for form in dict.fromkeys(given.to):
            save_tracks(tracks, form, place)
            for made in file_names(name, tracks.kinds, form):
                print(place / made)
    return 0
