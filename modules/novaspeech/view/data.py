"""A recording's outputs in the form that a page's script takes: numbers in two bytes each, segments as rows."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image
from sklearn.decomposition import PCA

from novaspeech.arrays import FloatArray, runs
from novaspeech.formats.track import Track, lanes
from novaspeech.view.sound import Sound

GAP = 65535  # number that stands for a missing one
COMPONENTS = 3
MAP_POINTS = 3_000
_TILE = 4_000  # columns of a picture; browsers take no wider ones
_QUALITY = 45  # quality of pictures, 0 to 100
_FREE = -1  # colour of names that are no classes


def curve(values: FloatArray, times: np.ndarray, low: float, high: float) -> dict[str, Any]:
    """Values (n,) over even times (n, 2) in seconds, in steps from `low` to `high`: NaN is a gap, the rest is cut."""
    scaled = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-9), 0, 1)
    numbers = np.where(np.isfinite(values), np.rint((GAP - 1) * scaled), GAP).astype("<u2")
    step = float(times[1, 0] - times[0, 0]) if len(times) > 1 else 1.0
    middle = float(times[0].mean()) if len(times) else 0.0
    return {"start": middle, "step": step, "low": low, "high": high, "values": packed(numbers)}


def gaps(track: Track) -> list[tuple[float, float]]:
    """Begin and end, in seconds, of each gap in scores."""
    return [
        (float(track.times[begin, 0]), float(track.times[end - 1, 1])) for begin, end in runs(np.isnan(track.values))
    ]


def packed(numbers: np.ndarray) -> str:
    """The bytes of an array, for a script to unpack."""
    return base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode()


def tiles(sound: Sound) -> dict[str, list[Any]]:
    """A spectrogram as pictures: a data URI, the begin and the width in seconds of each.

    Magma's colours can be told apart by all eyes, and by their brightness alone.
    """
    colours = mpl.colormaps["magma"]
    found: dict[str, list[Any]] = {"url": [], "x": [], "w": []}
    for begin in range(0, len(sound.levels), _TILE):
        part = sound.levels[begin : begin + _TILE].astype(np.float32).T[::-1]
        picture = Image.fromarray((255 * colours(part)[..., :3]).astype(np.uint8))
        written = io.BytesIO()
        picture.save(written, "WEBP", quality=_QUALITY, method=4)
        found["url"].append("data:image/webp;base64," + base64.b64encode(written.getvalue()).decode())
        found["x"].append(begin * sound.hop)
        found["w"].append(part.shape[1] * sound.hop)
    return found


def segment_rows(track: Track) -> tuple[list[str], dict[str, list[Any]]]:
    """Labels of the rows on which segments lie, and columns of the segments: begin, end, row and so on.

    Each class has a row. Segments with free names share one, and more where they overlap.
    """
    segments = track.segments
    if track.classes:
        labels = list(dict.fromkeys([*track.classes, *track.names]))
        rows = {name: row for row, name in enumerate(labels)}
        placed = [(segment, rows[segment.name], rows[segment.name]) for segment in segments]
    else:
        found = lanes(segments, shortest_ms=1)
        labels = [track.id, *(" " * number for number in range(1, len(found)))]
        placed = [(segment, row, _FREE) for row, lane in enumerate(found) for segment in lane]
        placed.sort(key=lambda one: one[0].start_ms)
    columns: dict[str, list[Any]] = {"start": [], "end": [], "row": [], "colour": [], "name": [], "confidence": []}
    for segment, row, colour in placed:
        values = (segment.start_ms, segment.end_ms, row, colour, segment.name, round(segment.confidence, 4))
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    return labels, columns


def components(track: Track) -> tuple[FloatArray, Sequence[float]]:
    """The first three principal components (n, 3) of vectors (n, D), and their shares of the variance.

    They are NaN where there is none: vectors of zeros stand for unusable audio. The sign of a component means nothing.
    """
    present = track.values.any(axis=1) & np.isfinite(track.values).all(axis=1)
    found = np.full((len(track.values), COMPONENTS), np.nan, np.float32)
    count = min(COMPONENTS, int(present.sum()) - 1, track.values.shape[1])
    if count < 1:
        return found, []
    pca = PCA(count, svd_solver="covariance_eigh" if track.values.shape[1] <= 2048 else "randomized", random_state=0)
    found[present, :count] = pca.fit_transform(track.values[present].astype(np.float32))
    return found, list(map(float, pca.explained_variance_ratio_))


def neighbour_means(rows: np.ndarray, most: int) -> np.ndarray:
    """Means over time of neighbouring rows (n, …), NaN left out, so that at most `most` of them remain."""
    if not len(rows):
        return rows
    starts = np.arange(0, len(rows), -(-len(rows) // most))
    present = np.isfinite(rows)
    sums = np.add.reduceat(np.where(present, rows, 0), starts)
    counts = np.add.reduceat(present, starts, dtype=int)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan, rows.dtype), where=counts > 0)


def map_points(projected: FloatArray, times: np.ndarray) -> tuple[dict[str, list[float]], float]:
    """Points of a map: two components (n, 2 or more) and the time of each moment; and half a moment's length.

    A moment is a few neighbours, so that there are at most `MAP_POINTS`.
    """
    points = neighbour_means(np.column_stack([projected[:, :2], times.mean(axis=1)]), MAP_POINTS)
    there = np.isfinite(points).all(axis=1)
    columns = zip("xyt", np.round(points[there], 4).T.tolist(), strict=True)
    return dict(columns), float(points[1, 2] - points[0, 2]) / 2
