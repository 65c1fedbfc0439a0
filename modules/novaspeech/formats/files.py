"""The formats of results: their names, the files that each makes of a recording, and their writers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from novaspeech.errors import OptionError, RequestError
from novaspeech.formats.elan import tiers_of_eaf, write_eaf, write_series
from novaspeech.formats.praat import tiers_of_textgrid, write_textgrid
from novaspeech.formats.subtitles import write_srt, write_vtt
from novaspeech.formats.tables import write_audformat, write_csv, write_npy, write_npz, write_parquet
from novaspeech.formats.track import Kept, Kind, Track, Tracks

SSI = "ssi"  # the servers' own format
NPY = "npy"
_SAID: dict[Kind, str] = {"scores": "a continuous annotation", "vectors": "a stream", "segments": "segments"}
_SSI_ENDINGS: dict[Kind, str] = {"scores": "annotation", "vectors": "stream", "segments": "annotation"}
_TABLES = ("csv", "parquet")  # which hold the scores of a module beside each other
# These formats have a file for each output, tables one for all scores of a module.
_WRITERS: dict[str, Callable[[Tracks, Sequence[Track], Path], None]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "audformat": write_audformat,
    "npz": write_npz,
    NPY: write_npy,
    "srt": write_srt,
    "vtt": write_vtt,
}
_ENDINGS = {"audformat": "audformat.csv"}  # else the format's name
# These have a file for each recording, to which each module adds its tiers. ELAN looks for the time series of NAME.eaf
# in NAME_tsconf.xml.
_SERIES = "_tsconf.xml"
_SHARED = {"textgrid": ".TextGrid", "eaf": ".eaf"}
_TIERS = {".TextGrid": tiers_of_textgrid, ".eaf": tiers_of_eaf}
FORMATS = (SSI, *_WRITERS, *_SHARED)
# Formats that are not named here hold anything.
_HOLDS: dict[str, tuple[Kind, ...]] = {
    NPY: ("scores", "vectors"),
    **dict.fromkeys(("srt", "vtt"), ("segments",)),
    **dict.fromkeys(_SHARED, ("segments", "scores")),
}


def check_formats(names: Collection[str], outputs: Sequence[Kept]) -> None:
    """Raises OptionError for an unknown format, RequestError for one that can hold none of the outputs."""
    if not names:
        raise OptionError(f"no format is named; there are: {', '.join(FORMATS)}")
    for name in names:
        if name not in FORMATS:
            raise OptionError(f"there is no format {name!r}; there are: {', '.join(FORMATS)}")
        if not file_names("", outputs, name):
            if name == "csv":
                raise RequestError(
                    f"a CSV file of {outputs[0].id} is large: name it (--output {outputs[0].id}), or take npz, npy or "
                    f"parquet"
                )
            holds = " and ".join(_SAID[kind] for kind in _HOLDS.get(name, tuple(_SAID)))
            listed = ", ".join(f"{output.id} ({_SAID[output.kind]})" for output in outputs)
            raise RequestError(f"the format {name} holds {holds}; of the outputs none is: {listed}; npz holds all")


def left_out(outputs: Sequence[Kept], form: str) -> list[str]:
    """The ids of the outputs that a format does not hold."""
    return [output.id for output in outputs if not _holds(form, output)]


def is_shared(name: str) -> bool:
    """Whether modules share a file of this name, and each adds its tiers."""
    return name.endswith((*_SHARED.values(), _SERIES))


def tiers_in(file: Path) -> list[str]:
    """Names of the tiers in a shared file; none in one without tiers. Raises RequestError if it cannot be read."""
    reader = _TIERS.get(file.suffix)
    return reader(file) if reader else []


def file_names(recording: str, outputs: Sequence[Kept], form: str) -> list[str]:
    """The names of the files that a format makes of a recording's outputs; none if it can hold none."""
    held = [output for output in outputs if _holds(form, output)]
    if form not in _SHARED:
        return list(dict.fromkeys(_name(recording, output, form) for output in held))
    scores = [output for output in held if output.kind == "scores"]
    names = [f"{recording}{_SHARED[form]}"] if len(scores) < len(held) or (form == "eaf" and held) else []
    names += dict.fromkeys(_name(recording, output, "csv") for output in scores)
    return [*names, f"{recording}{_SERIES}"] if form == "eaf" and scores else names


def write_files(tracks: Tracks, form: str, folder: Path, place: Path) -> None:
    """Writes the files of `file_names` into a folder, in a format that is not "ssi".

    Args:
        place: folder that the files will be moved to; links to other files lead there, and what modules share is there.
    """
    held = [track for track in tracks.tracks if _holds(form, track.kept)]
    separate = held if form not in _SHARED else [track for track in held if track.kind == "scores"]
    written = form if form not in _SHARED else "csv"
    groups: dict[str, list[Track]] = {}
    for track in separate:
        groups.setdefault(_name(tracks.name, track.kept, written), []).append(track)
    for name, group in groups.items():
        _WRITERS[written](tracks, group, folder / name)
    if form not in _SHARED or not held:
        return
    name = f"{tracks.name}{_SHARED[form]}"
    if form == "textgrid" and len(separate) < len(held):
        write_textgrid(tracks, folder / name, place / name)
    if form == "eaf":
        series = f"{tracks.name}{_SERIES}"
        if groups:
            by_file = {place / csv: group for csv, group in groups.items()}
            write_series(by_file, folder / series, place / series)
        write_eaf(
            tracks, folder / name, place / name, [place / one for one in (*groups, *([series] if groups else []))]
        )


def _holds(form: str, output: Kept) -> bool:
    if form == "csv" and output.kind == "vectors":
        return output.named
    return output.kind in _HOLDS.get(form, tuple(_SAID))


def _name(recording: str, output: Kept, form: str) -> str:
    """The name of an output's file: NAME.MODULE.ID.ENDING."""
    if form in _TABLES and output.kind == "scores":
        output = output._replace(id="scores")
    ending = _SSI_ENDINGS[output.kind] if form == SSI else _ENDINGS.get(form, form)
    return f"{recording}.{output.key}.{ending}"
