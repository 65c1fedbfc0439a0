"""The servers' own files, .stream and .annotation: written, and read back, those of a server as well as ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from novaspeech.errors import RequestError
from novaspeech.formats.track import Track
from novaspeech.module.output import Output, OutputRequest
from novaspeech.server import host


def save_output(content: Any, file: Path) -> None:
    """Saves one of the host's objects as the host does, whole or not at all."""
    marked = host.saved_whole(content)  # which changes the handler: before its method is asked for
    host.FileHandler().save(marked, file)


def save_track(track: Track, file: Path) -> None:
    """Saves a track as the servers do: a stream or continuous annotation with a rate, segments with their classes.

    Raises:
        RequestError: its rows do not begin at 0, or have no steady rate.
    """
    if track.kind == "segments":
        from novaspeech.module.results import annotation_of  # which imports what computes

        output = Output(track.id, f"annotation:{'Discrete' if track.classes else 'Free'}", classes=track.classes)
        request = OutputRequest.of_file(output)
        request = request.with_classes(track.classes) if track.classes else request
        save_output(annotation_of(track.segments, request), file)
        return
    starts, rate = track.times[:, 0], _rate(track)
    if not np.allclose(starts, np.arange(len(starts)) / rate, atol=0.0006):
        raise RequestError(f"{track.id} has no steady rate from 0 s on, which the format ssi needs; take csv or npz")
    if track.kind == "vectors":
        values = track.values
        save_output(host.SSIStream(values, rate, sample_shape=values.shape[1:], media_type="feature"), file)
        return
    scheme = host.ContinuousAnnotationScheme(name=track.id, sample_rate=rate, min_val=track.low, max_val=track.high)
    data = np.zeros(len(track.values), scheme.label_dtype)
    data["score"], data["conf"] = track.values, np.isfinite(track.values)
    save_output(host.ContinuousAnnotation(scheme=scheme, data=data), file)


def _rate(track: Track) -> float:
    """Rows per second, by the first two, or by the length of a single one."""
    starts, ends = track.times.T
    return 1 / float(starts[1] - starts[0] if len(starts) > 1 else max(0.001, *(ends - starts)))


def load_output(file: Path) -> Any:
    """The host's object of a .stream or .annotation file; RequestError if it cannot be read."""
    try:
        return host.FileHandler().load(file)
    except Exception as error:  # a damaged XML or binary file: the host lets any through
        raise RequestError(f"{file} cannot be read ({type(error).__name__}: {error}); make it again") from error


def read_ssi(file: Path, own: str) -> Track:
    """The track of a .stream or .annotation file.

    Args:
        own: its id, as the file's name tells it; "" takes the scheme's name.

    Raises:
        RequestError: it cannot be read.
    """
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
