"""Arrays of NumPy, read back: npz and npy."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from novaspeech.arrays import FloatArray
from novaspeech.errors import RequestError
from novaspeech.formats.text import unreadable
from novaspeech.formats.track import Track


class Read(NamedTuple):
    """Tracks of a file, and the recording as the file names it; "" if it names none."""

    tracks: list[Track]
    file: str = ""


def read_npz(file: Path, own: str) -> Read:
    """The track of an npz: `times` (n, 2) in seconds with `values`, or with `names` and `confidences`."""
    try:
        with np.load(file) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        times = np.asarray(found["times"], float)
        values = found["confidences"] if "names" in found else found["values"]
        if times.shape != (len(values), 2):
            raise ValueError(f"times are {times.shape} for {len(values)} values")
        names = tuple(map(str, found["names"])) if "names" in found else ()
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise unreadable(file, "an npz of results", error) from error
    if "names" in found:
        return Read([Track(own or "segments", "segments", times, values.astype(np.float32), names)])
    return Read([_numeric(own, times, values)])


def read_npy(file: Path, own: str, record: Mapping[str, Any]) -> Read:
    """The track of an npy, which has no times: they are those that the recording's record tells.

    Args:
        record: what `run` noted beside it; empty if there is none.

    Raises:
        RequestError: it cannot be read, or the record does not tell of it.
    """
    try:
        values = np.load(file)
    except (OSError, EOFError, ValueError) as error:
        raise unreadable(file, "an npy of results", error) from error
    try:
        shape, windows = tuple(record["shapes"][own]), record["from"]["milliseconds"]
        start = (record["from"]["recording"].get("span") or [0])[0]
        whole = len(shape) == 1 and values.ndim == 2  # a vector of the recording as a whole
        starts = start + np.arange(len(values)) * windows["stride"]
        length = 1000 * record["seconds"] if whole else windows["frame"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RequestError(
            f"{file} has no times, and no record of a run beside it tells them; keep `.NAME.MODULE.json` beside it, or "
            f"ask run for another format"
        ) from error
    if values.shape != ((1, *shape) if whole else shape):
        raise RequestError(f"{file} is {values.shape}, and the record beside it tells of {shape}; run it again")
    times = np.stack([starts, starts + length], axis=1) / 1000
    return Read([_numeric(own, times, values)])


def scores_track(own: str, times: npt.NDArray[np.float64], values: FloatArray) -> Track:
    """Scores in a range that holds them: from 0 to 1 if it does, else from -1 to 1, else from the least to the most."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min(initial=0)), float(finite.max(initial=1))
    if low < 0 and low >= -1 and high <= 1:
        low = -1.0
    return Track(own, "scores", times, values, low=low, high=high)


def _numeric(own: str, times: npt.NDArray[np.float64], values: npt.NDArray[Any]) -> Track:
    """Scores (n,) or vectors (n, D)."""
    values = values.astype(np.float32)
    return (
        scores_track(own or "scores", times, values)
        if values.ndim == 1
        else Track(own or "vectors", "vectors", times, values)
    )
