"""The servers' own files, .stream and .annotation: written, and read back, those of a server as well as ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from novaspeech.errors import RequestError
from novaspeech.formats.track import Track
from novaspeech.server import host


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
