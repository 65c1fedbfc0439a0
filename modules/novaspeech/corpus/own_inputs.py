"""Further inputs that each recording has of its own: files with its name, beside it or in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from novaspeech.audio.recording import ENDINGS
from novaspeech.corpus.rows import Row
from novaspeech.corpus.store import is_url
from novaspeech.errors import RequestError

# Endings of transcripts, as tools write them.
TEXTS = (".txt", ".srt", ".vtt", ".textgrid", ".annotation", ".eaf", ".cha", ".docx", ".json", ".csv", ".tsv")


def with_own(rows: Sequence[Row], name: str, folder: str = "", *, sound: bool = False) -> list[Row]:
    """Rows with a further input each, as `anna.txt` for `anna.wav`; of several endings the first of `TEXTS`.

    Args:
        name: the input's id.
        folder: that the files are in, maybe in a tree like the recordings'; "" is beside each recording.
        sound: whether they are recordings.

    Raises:
        RequestError: a recording at a URL has nothing beside it.
    """
    endings = tuple(sorted(ENDINGS)) if sound else TEXTS
    listed: dict[Path, dict[tuple[str, str], Path]] = {}

    def file_of(row: Row) -> str:
        if not folder and is_url(row.place):
            raise RequestError(f"{row.place} is at a URL; name a folder on this machine that has its {name}")
        stem = Path(row.place).stem
        places = (Path(folder, row.id), Path(folder, stem)) if folder else (Path(row.place).with_suffix(""),)
        for place in places:
            if place.parent not in listed:
                files = sorted(place.parent.iterdir()) if place.parent.is_dir() else []
                listed[place.parent] = {(file.stem, file.suffix.lower()): file for file in files}
            found = (listed[place.parent].get((place.name, ending)) for ending in endings)
            if file := next((one for one in found if one), None):
                return str(file)
        return str(places[-1].with_name(f"{stem}{endings[0]}"))

    return [replace(row, inputs={**row.inputs, name: file_of(row)}) for row in rows]


def check_own(row: Row) -> None:
    """Raises RequestError if an input of a recording's own is not there."""
    for name, file in row.inputs.items():
        if not Path(file).is_file():
            raise RequestError(f"{row.file or row.place} has no {name}: there is no {file}")
