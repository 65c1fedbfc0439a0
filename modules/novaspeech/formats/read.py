"""Results of recordings, found in folders and read back, whatever their format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from novaspeech.audio.recording import ENDINGS, Recording
from novaspeech.errors import RequestError
from novaspeech.formats.elan import read_eaf
from novaspeech.formats.files import SSI, is_shared
from novaspeech.formats.one_table import SUMMARY
from novaspeech.formats.praat import read_textgrid
from novaspeech.formats.read_arrays import Read, read_npy, read_npz
from novaspeech.formats.read_tables import read_csv, read_parquet, recordings_in
from novaspeech.formats.ssi import read_ssi
from novaspeech.formats.subtitles import read_subtitles
from novaspeech.formats.text import unreadable
from novaspeech.formats.tiers import track_of, tracks_of
from novaspeech.formats.track import Kept, Kind, Track, Tracks
from novaspeech.module.catalogue import load_trainer, module_names, processor_class

Records = Mapping[str, Mapping[str, Any]]  # module → what `run` noted of a recording

_SCORES: Kind = "scores"  # stands for an id in the names of tables with all scores of a module


def _read_subtitles(file: Path, own: str) -> Read:
    rows = read_subtitles(file, foreign=False)
    if not rows and file.read_bytes().strip(b"\xef\xbb\xbf \r\n") not in (b"", b"WEBVTT"):
        raise unreadable(file, "subtitles", "it has no cues")
    return Read([track_of(own or "subtitles", rows)])


# The fullest first: of an output that is there in several formats, the first one is taken.
_READERS: dict[str, Callable[[Path, str], Read]] = {
    ".parquet": read_parquet,
    ".npz": read_npz,
    ".csv": read_csv,
    ".audformat.csv": read_csv,
    ".stream": lambda file, own: Read([read_ssi(file, own)]),
    ".npy": partial(read_npy, record={}),
    ".annotation": lambda file, own: Read([read_ssi(file, own)]),
    ".eaf": lambda file, own: Read(tracks_of(read_eaf(file))),
    ".textgrid": lambda file, own: Read(tracks_of(read_textgrid(file))),
    ".vtt": _read_subtitles,
    ".srt": _read_subtitles,
}
_SSI = (".stream", ".annotation")
_TABLES = (".csv", ".parquet", ".npz", ".npy")  # may hold anything
READABLE = ", ".join(ending for ending in _READERS if ending != ".audformat.csv").replace(".textgrid", ".TextGrid")


def _ending(file: Path) -> str:
    """What a file's name ends with, of the readers' keys; "" for none."""
    name = file.name.lower()
    return max((ending for ending in _READERS if name.endswith(ending)), key=len, default="")


def _form(file: Path) -> str:
    return SSI if _ending(file) in _SSI else _ending(file)


def found_outputs(places: Iterable[Path]) -> dict[tuple[Path, str], tuple[Path | None, list[Path]]]:
    """Files of results, and those in folders, grouped as `group` does it.

    In folders other files are passed over: reports, pictures, recordings, tables of other things or of many recordings.

    Raises:
        RequestError: a place is not there, is no such file, or holds none.
    """
    files: dict[Path, None] = {}
    for place in places:
        found = [place]
        if place.is_dir():
            found = sorted(file for file in place.rglob("*") if file.is_file() and _is_result(file, place))
            if not found:
                raise RequestError(f"{place} holds no results ({READABLE}); `novaspeech run` writes some")
        elif not place.is_file():
            raise RequestError(f"{place} does not exist")
        elif not _ending(place):
            raise RequestError(f"{place} is no file of results ({READABLE}); `novaspeech run` writes some")
        files |= dict.fromkeys(found)
    return group(list(files))


def _is_result(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    if hidden or not _ending(file) or file.name[: -len(_ending(file))].endswith(SUMMARY):
        return False
    if file.suffix.lower() not in _TABLES or _module_in(file.name):
        return True
    recordings = None if file.name.startswith("_") else recordings_in(file)  # it is what tells of a whole run
    return recordings is not None and len(recordings) < 2


def _module_in(name: str) -> tuple[str, str] | None:
    """Recording and module in a name such as RECORDING.MODULE.ID.ENDING; None if there is no module in it."""
    found = re.fullmatch(rf"(.+)\.({'|'.join(map(re.escape, module_names()))})\..+", name, re.DOTALL)
    return (found[1], found[2]) if found else None


def group(outputs: Sequence[Path]) -> dict[tuple[Path, str], tuple[Path | None, list[Path]]]:
    """Files of results by recording: folder and name → the recording if it lies there, and its files.

    A recording's files have names that begin with its name, as `novaspeech run` writes them: up to the module's. Where
    there is none, the name is that of a recording in the folder, else it goes up to the first dot.
    """
    found: dict[tuple[Path, str], tuple[Path | None, list[Path]]] = {}
    beside: dict[Path, dict[str, Path]] = {}
    for output in outputs:
        folder = output.parent
        if folder not in beside:
            sounds = sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS)
            beside[folder] = {file.stem: file for file in sounds}
        owners = [stem for stem in beside[folder] if output.name.startswith(f"{stem}.")]
        name = max(owners, key=len, default=output.stem if is_shared(output.name) else output.name.split(".")[0])
        if known := _module_in(output.name):
            name = known[0]
        found.setdefault((folder, name), (beside[folder].get(name), []))[1].append(output)
    return found


def read_tracks(name: str, audio: Path | None, files: Sequence[Path], records: Records | None = None) -> Tracks:
    """The content of a recording's files of results; of an output in several formats, what the fullest one holds.

    Module and id stand between the recording's name and the ending. Tiers, and columns of scores, have ids of their
    own.

    Args:
        audio: the recording; if it is None, the last output's end is the recording's.
        records: what `run` noted of the recording, which knows an npy's times, and whose tiers are in a shared file.

    Raises:
        RequestError: a file cannot be read, or two of one format have one output.
        RecordingError: the recording cannot be read.
    """
    known, found, origin, recording_name = records or {}, dict[str, Track](), dict[str, Path](), ""
    for file in sorted(files, key=partial(_rank, name, known)):
        module, own = _module_and_id(name, file)
        key = Kept(own, _SCORES, module).key
        if key in found and _form(file) != _form(origin[key]):
            continue  # a fuller one was read
        read = _read(file, own, known.get(module, {}))
        recording_name = recording_name or read.file
        for track in (_described(track, file, module, known) for track in read.tracks):
            there = _same(track, found, shared=is_shared(file.name))
            if there and _form(file) == _form(origin[there]):
                raise RequestError(f"{file} and {origin[there]} would both be {name}.{there}.*; rename one")
            if not there:
                found[track.kept.key], origin[track.kept.key] = track, file
    tracks = sorted(found.values(), key=lambda track: files.index(origin[track.kept.key]))
    recording = None if audio is None else Recording.open(audio)
    duration = max((track.times.max(initial=0) for track in tracks), default=0.0)
    if recording:
        duration = recording.duration_ms / 1000
    return Tracks(name, audio, float(duration), tuple(tracks), recording, recording_name)


def _rank(name: str, records: Records, file: Path) -> tuple[bool, bool, int]:
    """Place of a file among those of its recording: what `run` made last, before what is left of earlier runs."""
    module, _ = _module_and_id(name, file)
    made = any(file.name in _entry(record, "made") for record in records.values())
    timeless = _ending(file) == ".npy" and module not in records
    return timeless, not made, list(_READERS).index(_ending(file))


def _entry(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, Mapping) else {}


def _module_and_id(name: str, file: Path) -> tuple[str, str]:
    """Module and id of an output, as a file's name tells them; "" for what it does not."""
    own = file.name[: -len(_ending(file))].removeprefix(name).strip(".")
    module, _, rest = own.partition(".")
    module, own = (module, rest) if module in module_names() else ("", own)  # as of a server's file
    return module, "" if own == _SCORES or is_shared(file.name) else own


def _read(file: Path, own: str, record: Mapping[str, Any]) -> Read:
    if _ending(file) == ".npy":
        return read_npy(file, own, record)
    return _READERS[_ending(file)](file, own)


def _described(track: Track, file: Path, module: str, records: Records) -> Track:
    """A track with its module's name, and with the range or the classes that its file does not tell."""
    if is_shared(file.name):
        first, _, rest = track.id.partition(".")
        owners = [one for one, record in records.items() if file.name in _entry(record, "made")]
        owners = [one for one in owners if track.id in _entry(records[one], "shapes")]
        if rest and first in module_names():
            track, module = replace(track, id=rest), first
        elif len(owners) == 1:
            [module] = owners
    track = replace(track, module=module)
    if track.kind == "vectors":
        shape = _entry(records.get(module, {}), "shapes").get(track.id)
        return replace(track, whole=len(shape) == 1 if shape else len(track.times) == 1)
    if _form(file) == SSI or not module:
        return track
    kinds = {entry.io_id: entry.io_data.lower() for entry in load_trainer(module).outputs}
    if not kinds.get(track.id, "").endswith((":continuous", ":discrete")):  # the class of others need not be imported
        return track
    for output in processor_class(load_trainer(module)).outputs:
        if output.id == track.id:
            named = tuple(dict.fromkeys([*output.classes, *track.names]))
            return replace(track, low=output.low, high=output.high, classes=named)
    return track


def _same(track: Track, found: Mapping[str, Track], *, shared: bool) -> str:
    """Key of what a track would be a second time, also of a tier, whose name has no module; "" if there is none."""
    if track.kept.key in found:
        return track.kept.key
    alike = (key for key, one in found.items() if (one.id, one.kind) == (track.id, track.kind))
    return next(alike, "") if shared and not track.module else ""
