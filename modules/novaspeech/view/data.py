"""A recording's outputs as what a page's script takes: numbers in two bytes each, segments as rows."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from novaspeech.arrays import FloatArray, runs
from novaspeech.formats.track import Track, lanes

GAP = 65535  # stands for a number that is not there
COMPONENTS = 3
MAP_POINTS = 3_000
_MOST_CLASSES = 12  # with a row of their own; of more names segments share rows
_RARE = -1  # the colour of names that have none


def curve(values: FloatArray, times: np.ndarray, low: float, high: float) -> dict[str, Any]:
    """Numbers over time, in steps of the range between `low` and `high`; what lies beyond it is at its edge.

    Args:
        values: (n,), NaN where there is none.
        times: (n, 2) seconds, evenly spaced.
    """
    scaled = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-9), 0, 1)
    numbers = np.where(np.isfinite(values), np.rint((GAP - 1) * scaled), GAP).astype("<u2")
    step = float(times[1, 0] - times[0, 0]) if len(times) > 1 else 1.0
    middle = float(times[0].mean()) if len(times) else 0.0
    return {"start": middle, "step": step, "low": low, "high": high, "values": packed(numbers)}


def gaps(track: Track) -> list[tuple[float, float]]:
    """From when to when scores have no value, in seconds."""
    return [
        (float(track.times[begin, 0]), float(track.times[end - 1, 1])) for begin, end in runs(np.isnan(track.values))
    ]


def packed(numbers: np.ndarray) -> str:
    """The bytes of an array, for a script to unpack."""
    return base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode()


def segment_rows(track: Track) -> tuple[list[str], dict[str, list[Any]]]:
    """Labels of the rows on which segments lie, and for each segment when it begins and ends, its row and so on.

    Segments of few different names have a row for each name. Others share rows, more where they overlap.
    """
    names = list(dict.fromkeys(track.names))
    segments = track.segments
    if (0 < len(names) <= _MOST_CLASSES and len(segments) > len(names)) or len(names) == 1:
        labels, rows = names, {name: row for row, name in enumerate(names)}
        placed = [(segment, rows[segment.name], rows[segment.name]) for segment in segments]
    else:
        found = lanes(replace(one, end_ms=max(one.end_ms, one.start_ms + 1)) for one in segments)
        labels = [track.id, *(" " * number for number in range(1, len(found)))]
        placed = [(segment, row, _RARE) for row, lane in enumerate(found) for segment in lane]
        placed.sort(key=lambda one: one[0].start_ms)
    columns: dict[str, list[Any]] = {"start": [], "end": [], "row": [], "colour": [], "name": [], "confidence": []}
    for segment, row, colour in placed:
        values = (segment.start_ms, segment.end_ms, row, colour, segment.name, round(segment.confidence, 4))
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    return labels, columns


def components(track: Track) -> tuple[FloatArray, Sequence[float]]:
    """The first three principal components (n, 3) of vectors (n, D), NaN where there is none, and their shares.

    Vectors of zeros stand for audio that could not be used. The sign of a component means nothing.
    """
    present = track.values.any(axis=1) & np.isfinite(track.values).all(axis=1)
    found = np.full((len(track.values), COMPONENTS), np.nan, np.float32)
    count = min(COMPONENTS, int(present.sum()) - 1, track.values.shape[1])
    if count < 1:
        return found, []
    pca = PCA(count, svd_solver="covariance_eigh" if track.values.shape[1] <= 2048 else "randomized", random_state=0)
    found[present, :count] = pca.fit_transform(track.values[present].astype(np.float32))
    return found, list(map(float, pca.explained_variance_ratio_))


def map_points(projected: FloatArray, times: np.ndarray) -> dict[str, list[float]]:
    """Points of a map: the first two components and the middle of the time, neighbours averaged to `MAP_POINTS`."""
    group = -(-len(projected) // MAP_POINTS) or 1
    count = len(projected) // group
    means = projected[: count * group, :2].reshape(count, group, 2).mean(axis=1)
    middles = times[: count * group].reshape(count, -1).mean(axis=1)
    there = np.isfinite(means).all(axis=1)
    half = group * float(times[0, 1] - times[0, 0]) / 2 if len(times) else 0.0
    columns = {"x": means[there, 0], "y": means[there, 1], "t": middles[there]}
    return {name: np.round(column.astype(float), 4).tolist() for name, column in columns.items()} | {"half": [half]}
