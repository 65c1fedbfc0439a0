"""Where the files of a recording's outputs lie, what is there already, and how they appear."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock

from novaspeech import saving
from novaspeech.errors import RequestError
from novaspeech.formats.files import SSI, check_formats, file_names, is_shared, tiers_in, write_files
from novaspeech.formats.ssi import save_track
from novaspeech.formats.track import Kept, Kind, Tracks, belongs_to
from novaspeech.module.output import Output

_LOCKS, _MOST_LOCKS = "novaspeech-adding-", 64
NO_PLACE = "the format ssi has no place for where a part begins; take csv, parquet, npz, textgrid or eaf"


def kind_of(output: Output) -> Kind:
    """Kind of file that holds an output."""
    if output.kind == "stream":
        return "vectors"
    return "scores" if output.subtype == "continuous" else "segments"


def kept_of(module: str, outputs: Iterable[Output], *, named: bool) -> list[Kept]:
    """What the names of the outputs' files tell; `named` is whether somebody asked for them by their names."""
    return [Kept(output.id, kind_of(output), module, named) for output in outputs]


def files_for(name: str, outputs: Sequence[Kept], folder: Path, formats: Collection[str] = (SSI,)) -> list[Path]:
    """Paths of a recording's outputs; OptionError or RequestError for formats or names that cannot be."""
    check_formats(formats, outputs)
    for output in outputs:
        if Path(output.id).name != output.id and not set(formats) <= {"textgrid", "eaf"}:  # a tier that a person named
            raise RequestError(
                f"the name {output.id!r} cannot stand in that of a file; rename it, or take textgrid or eaf"
            )
    names = [file for form in formats for file in file_names(name, outputs, form)]
    files = [folder / file for file in dict.fromkeys(names)]  # two formats may share a file
    for file in files:
        if saving.too_long(file):
            raise RequestError(f"the name of {file} is too long; give the recording or the folder a shorter one")
    return files


def save_tracks(tracks: Tracks, form: str, folder: Path) -> None:
    """Writes a recording's outputs in a format; all of its files appear, or none, but for "ssi" each output's.

    Raises:
        RequestError: "ssi" has no place for an output's times.
    """
    if form == SSI:
        for track in tracks.tracks:
            [name] = file_names(tracks.name, [track.kept], SSI)
            save_track(track, folder / name)
        return
    names = file_names(tracks.name, tracks.kept, form)
    first = folder / names[0]
    alone = _alone_with(first) if any(map(is_shared, names)) else nullcontext()
    with alone, saving.whole(first) as partial:  # what another process adds meanwhile must not be lost
        write_files(tracks, form, partial.parent, folder)


@contextmanager
def _alone_with(file: Path) -> Iterator[None]:
    """Keeps a user's other processes on this machine, inside, from reading a file, adding to it and moving it back.

    The locks lie in the temporary folder: as few files as stay there for good need no removal, in which locks get
    lost. Two files may share a lock, so nobody may hold two.
    """
    digest = hashlib.blake2b(os.fsencode(os.path.realpath(file))).digest()
    user = os.getuid() if hasattr(os, "getuid") else ""  # Windows has a temporary folder for each user
    with FileLock(Path(tempfile.gettempdir(), f"{_LOCKS}{user}-{digest[0] % _MOST_LOCKS}")):
        yield


def in_the_way(files: Iterable[Path], outputs: Iterable[Kept]) -> list[Path]:
    """Those of an output's files that are there; of files that modules share, those with tiers of the outputs' names.

    Raises:
        RequestError: a shared file cannot be read.
    """
    own = {output.id for output in outputs}
    there = [file for file in files if file.is_file()]
    return [file for file in there if not is_shared(file.name) or any(belongs_to(tier, own) for tier in tiers_in(file))]
