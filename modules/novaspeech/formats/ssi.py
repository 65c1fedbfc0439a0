"""The servers' own files, .stream and .annotation: written, and read back, those of a server as well as ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from novaspeech.audio.recording import ENDINGS, Recording
from novaspeech.errors import RequestError
from novaspeech.formats.track import Track, Tracks
from novaspeech.module.catalogue import module_names
from novaspeech.server import host

OUTPUTS = (".stream", ".annotation")


def save_output(content: Any, file: Path) -> None:
    """Saves one of the host's objects as the host does, whole or not at all."""
    marked = host.saved_whole(content)  # which changes the handler: before its method is asked for
    host.FileHandler().save(marked, file)


def load_output(file: Path) -> Any:
    """The host's object of a .stream or .annotation file; RequestError if it cannot be read."""
    try:
        return host.FileHandler().load(file)
    except Exception as error:  # a damaged XML or binary file: the host lets any through
        raise RequestError(f"{file} cannot be read ({type(error).__name__}: {error}); make it again") from error


def found_outputs(places: Iterable[Path]) -> dict[tuple[Path, str], tuple[Path | None, list[Path]]]:
    """Output files, and those in folders, grouped as `group` does it; RequestError for a place without any."""
    files: dict[Path, None] = {}
    for place in places:
        found = [place]
        if place.is_dir():
            found = sorted(file for file in place.rglob("*") if file.suffix in OUTPUTS and file.is_file())
            if not found:
                raise RequestError(f"{place} holds no .stream or .annotation files; `novaspeech run` writes some")
        elif place.suffix not in OUTPUTS:
            raise RequestError(f"{place} is no {' or '.join(OUTPUTS)} file; `novaspeech run` writes some")
        elif not place.is_file():
            raise RequestError(f"{place} does not exist")
        files |= dict.fromkeys(found)
    return group(list(files))


def group(outputs: Sequence[Path]) -> dict[tuple[Path, str], tuple[Path | None, list[Path]]]:
    """Output files by recording: folder and name → the recording if it lies there, and its outputs.

    A recording's outputs have names that begin with its name, as `novaspeech run` writes them. Without a recording in
    the folder the name goes up to the first dot.
    """
    found: dict[tuple[Path, str], tuple[Path | None, list[Path]]] = {}
    beside: dict[Path, dict[str, Path]] = {}
    for output in outputs:
        folder = output.parent
        if folder not in beside:
            sounds = sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS)
            beside[folder] = {file.stem: file for file in sounds}
        owners = [stem for stem in beside[folder] if output.name.startswith(f"{stem}.")]
        name = max(owners, key=len, default=output.name.split(".")[0])
        found.setdefault((folder, name), (beside[folder].get(name), []))[1].append(output)
    return found


def read_tracks(name: str, audio: Path | None, files: Sequence[Path]) -> Tracks:
    """The content of a recording's output files.

    Module and id stand between the recording's name and the ending; an id that does not is the scheme's name.

    Args:
        audio: the recording; if it is None, the last output's end is the recording's.

    Raises:
        RequestError: a file cannot be read, or two have one id.
        RecordingError: the recording cannot be read.
    """
    tracks: dict[str, Track] = {}
    for file in files:
        module, _, own = file.stem.removeprefix(name).strip(".").partition(".")
        if module not in module_names():  # as of a server's file
            module, own = "", f"{module}.{own}".strip(".")
        track = replace(_track(file, own), module=module)
        if track.kept.key in tracks:
            raise RequestError(f"{file} and another file would both be {name}.{track.kept.key}.*; rename one")
        tracks[track.kept.key] = track
    recording = None if audio is None else Recording.open(audio)
    duration = max((track.times.max(initial=0) for track in tracks.values()), default=0.0)
    if recording:
        duration = recording.duration_ms / 1000
    return Tracks(name, audio, float(duration), tuple(tracks.values()), recording)


def _track(file: Path, own: str) -> Track:
    content = load_output(file)
    if file.suffix == ".stream":
        values = np.asarray(content.data, np.float32)
        values = values.reshape(len(values), -1)
        return Track(own or "stream", "vectors", _times(len(values), content.meta_data.sample_rate), values)
    scheme = content.annotation_scheme
    own = own or scheme.name
    if isinstance(content, host.ContinuousAnnotation):
        scores = np.atleast_1d(content.data)["score"].astype(np.float32)
        times = _times(len(scores), scheme.sample_rate)
        return Track(own, "scores", times, scores, low=scheme.min_val, high=scheme.max_val)
    classes = [str(attributes["name"]) for attributes in getattr(scheme, "classes", {}).values()]
    return Track.of_segments(own, host.segments_of(content, str(file)), classes)


def _times(count: int, rate: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Times (count, 2) in seconds. The servers write a rate with three decimals: 3.333 Hz means 300 ms."""
    step = 1 / rate
    milliseconds = max(1, round(1000 * step))
    if abs(1000 / milliseconds - rate) <= 0.0005:
        step = milliseconds / 1000
    starts = np.arange(count) * step
    return np.stack([starts, starts + step], axis=1)
