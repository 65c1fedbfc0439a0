"""The formats of results: their names, the files that each makes of a recording, and their writers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from novaspeech.errors import OptionError, RequestError
from novaspeech.formats.elan import write_eaf, write_series
from novaspeech.formats.praat import write_textgrid
from novaspeech.formats.subtitles import write_srt, write_vtt
from novaspeech.formats.tables import write_csv, write_npy, write_npz, write_parquet, write_scores
from novaspeech.formats.track import Kind, Track, Tracks

SSI = "ssi"  # the servers' own format
NPY = "npy"
_SAID: dict[Kind, str] = {"scores": "a continuous annotation", "vectors": "a stream", "segments": "segments"}
_SSI_ENDINGS: dict[Kind, str] = {"scores": "annotation", "vectors": "stream", "segments": "annotation"}
# These formats have a file for each output.
_WRITERS: dict[str, Callable[[Tracks, Track, Path], None]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "npz": write_npz,
    NPY: write_npy,
    "srt": write_srt,
    "vtt": write_vtt,
}
# These formats have a file for each recording. ELAN looks for the time series of NAME.eaf in NAME_tsconf.xml.
_SCORES, _SERIES = ".scores.csv", "_tsconf.xml"
_PER_RECORDING = {"textgrid": ".TextGrid", "eaf": ".eaf"}
FORMATS = (SSI, *_WRITERS, *_PER_RECORDING)
# Formats that are not named here hold anything.
_HOLDS: dict[str, tuple[Kind, ...]] = {
    NPY: ("scores", "vectors"),
    **dict.fromkeys(("srt", "vtt"), ("segments",)),
    **dict.fromkeys(_PER_RECORDING, ("segments", "scores")),
}


def check_formats(names: Collection[str], kinds: Mapping[str, Kind]) -> None:
    """Raises OptionError for an unknown format, RequestError for one that can hold none of the outputs (id → kind)."""
    if not names:
        raise OptionError(f"no format is named; there are: {', '.join(FORMATS)}")
    for name in names:
        if name not in FORMATS:
            raise OptionError(f"there is no format {name!r}; there are: {', '.join(FORMATS)}")
        if not file_names("", kinds, name):
            holds = " and ".join(_SAID[kind] for kind in _HOLDS.get(name, tuple(_SAID)))
            listed = ", ".join(f"{output} ({_SAID[kind]})" for output, kind in kinds.items())
            raise RequestError(f"the format {name} holds {holds}; of the outputs none is: {listed}; csv holds all")


def left_out(kinds: Mapping[str, Kind], form: str) -> list[str]:
    """The ids of the outputs that a format cannot hold."""
    return [output for output, kind in kinds.items() if kind not in _HOLDS.get(form, tuple(_SAID))]


def file_names(recording: str, kinds: Mapping[str, Kind], form: str) -> list[str]:
    """The names of the files that a format makes of a recording's outputs; none if it can hold none."""
    if form not in _PER_RECORDING:
        held = {output: kinds[output] for output in kinds if output not in left_out(kinds, form)}
        return [f"{recording}.{output}.{_SSI_ENDINGS[held[output]] if form == SSI else form}" for output in held]
    names = []
    if "segments" in kinds.values() or (form == "eaf" and "scores" in kinds.values()):
        names.append(f"{recording}{_PER_RECORDING[form]}")
    if "scores" in kinds.values():
        names.append(f"{recording}{_SCORES}")
        if form == "eaf":
            names.append(f"{recording}{_SERIES}")
    return names


def write_files(tracks: Tracks, form: str, folder: Path, place: Path) -> None:
    """Writes the files of `file_names` into a folder, in a format that is not "ssi".

    Args:
        place: folder that the files will be moved to; links to other files lead there.
    """
    kinds = tracks.kinds
    if form in _WRITERS:
        for track in tracks.tracks:
            if track.id not in left_out(kinds, form):
                _WRITERS[form](tracks, track, folder / f"{tracks.name}.{track.id}.{form}")
        return
    names = file_names(tracks.name, kinds, form)
    scores = tracks.of_kind("scores")
    if scores:
        write_scores(tracks, folder / f"{tracks.name}{_SCORES}")
    if form == "textgrid" and "segments" in kinds.values():
        write_textgrid(tracks, folder / names[0])
    if form == "eaf":
        if scores:
            write_series(scores, folder / f"{tracks.name}{_SERIES}", place / f"{tracks.name}{_SCORES}")
        write_eaf(tracks, folder / names[0], [place / name for name in names[1:]])
