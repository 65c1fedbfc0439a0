"""`novaspeech convert`: results in other formats, for other programs."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError
from novaspeech.terminal.arguments import new_command
from novaspeech.terminal.outputs import add_output_arguments, read_recordings


def add_command(commands: Any) -> None:
    """Adds `convert` to the subparsers of `novaspeech`."""
    convert = new_command(commands, "convert", _convert, help="write results in other formats")
    add_output_arguments(convert)
    convert.add_argument(
        "--to",
        required=True,
        action="append",
        metavar="FORMAT",
        help="ssi, csv, parquet, audformat, npz, npy, textgrid, eaf, srt or vtt",
    )
    convert.add_argument("--overwrite", action="store_true", help="replace what is there already")
    convert.add_argument("--out", type=Path, metavar="DIR", help="where the files go (default: beside the given ones)")


def _convert(given: argparse.Namespace) -> int:
    """Writes results in other formats; those of one recording go together.

    Results are what run or a server wrote in any format, and the tiers that people made with Praat or ELAN. Of an
    output that is there in several formats the fullest one is read.

    Examples:
        novaspeech convert a.wav2vec2_kws.words.annotation a.wav2vec2_kws.keywords.annotation --to eaf
        novaspeech convert results --to csv --to parquet
        novaspeech convert interview.eaf --to textgrid
        novaspeech convert corrected/interview.TextGrid --to ssi
    """
    from novaspeech.formats.files import check_formats
    from novaspeech.formats.places import files_for, in_the_way, save_tracks
    from novaspeech.formats.read import found_outputs

    groups = found_outputs(given.places)
    _check(given, [name for _, name in groups])
    written, named = 0, not any(place.is_dir() for place in given.places)
    for folder, tracks, *_ in read_recordings(groups, given.audio):
        tracks = replace(tracks, tracks=tuple(replace(track, named=named) for track in tracks.tracks))
        place = given.out or folder
        for form in dict.fromkeys(given.to):
            try:
                check_formats([form], tracks.kept)
            except RequestError as error:
                if len(groups) == 1:
                    raise
                print(f"novaspeech: {folder / tracks.name}: {error}", file=sys.stderr)
                continue
            files = files_for(tracks.name, tracks.kept, place, [form])
            if not given.overwrite and (there := in_the_way(files, tracks.kept)):
                raise RequestError(f"{there[0]} is there already; --overwrite replaces it")
            place.mkdir(parents=True, exist_ok=True)
            save_tracks(tracks, form, place)
            print(*files, sep="\n")
            written += len(files)
    return int(not written)


def _check(given: argparse.Namespace, names: Sequence[str]) -> None:
    """Raises RequestError for what cannot be with the recordings of these names."""
    if given.audio and len(names) > 1:
        raise RequestError(f"these are files of {len(names)} recordings; --audio is for one")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if given.out and twice:
        raise RequestError(f"{twice[0]} is there in several folders, and --out is for all; convert them apart")
