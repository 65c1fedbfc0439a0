"""Arrays and stretches → the streams and annotations that a request names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from novaspeech.audio.buffer import BoolArray, FloatArray, WindowGrid
from novaspeech.inference.engine import Encoded
from novaspeech.segments import Stretch
from novaspeech.server import host
from novaspeech.server.outputs import Wanted

LOWEST_RATE = 0.001  # in Hz: the servers write three decimals, and readers divide by what they find


def build_outputs(
    manager: Any, wanted: Sequence[Wanted], encoded: Encoded, grid: WindowGrid, recording_ms: int
) -> dict[str, Any]:
    """The host's objects for one session, under the ids that the request used.

    Role and name are the request's, session and dataset those of `manager`.
    """
    built = {}
    for item in wanted:
        annotator = item.description.get("annotator")
        place = {key: item.description.get(key) for key in ("role", "name")}
        place |= {"session": manager.session, "dataset": manager.dataset}
        if item.output.kind == "stream":
            values = encoded.values[item.output.id]
            rate = max(LOWEST_RATE, 1000 / recording_ms) if item.output.whole else grid.rate
            built[item.key] = host.SSIStream(
                data=values, sample_rate=rate, sample_shape=values.shape[1:], media_type="feature", **place
            )
        elif item.output.subtype == "discrete":
            built[item.key] = _discrete(encoded.stretches[item.output.id], item, annotator=annotator, **place)
        elif item.output.subtype == "free":
            built[item.key] = _free(encoded.stretches[item.output.id], item, annotator=annotator, **place)
        else:
            scores = encoded.values[item.output.id][:, 0]
            built[item.key] = _continuous(scores, encoded.usable, item, grid, annotator=annotator, **place)
    return built


def _continuous(scores: FloatArray, usable: BoolArray, item: Wanted, grid: WindowGrid, **place: Any) -> Any:
    """Scores (count,) float32 → ContinuousAnnotation, in the range and at the rate wanted."""
    low, high = item.output.low, item.output.high
    share = (np.clip(scores, low, high) - low) / (high - low)
    scores = np.where(usable, item.low + share * (item.high - item.low), np.nan).astype(np.float32)
    rate = item.rate or grid.rate
    if rate != grid.rate:
        scores = _resample(scores, grid.rate, rate)
    scheme = host.ContinuousAnnotationScheme(
        name=item.scheme_name, sample_rate=rate, min_val=item.low, max_val=item.high
    )
    data = np.zeros(len(scores), scheme.label_dtype)
    data["score"], data["conf"] = scores, np.isfinite(scores)
    return host.ContinuousAnnotation(scheme=scheme, data=data, **place)


def _resample(scores: FloatArray, rate: float, new_rate: float) -> FloatArray:
    """Linear interpolation between scores; a gap (NaN) stays one."""
    count = int(len(scores) * new_rate / rate + 1e-6)  # 299.9999999 means 300
    places = np.minimum(np.arange(count) * rate / new_rate, len(scores) - 1)
    resampled: FloatArray = np.interp(places, np.arange(len(scores)), scores).astype(np.float32)
    return resampled


def _discrete(stretches: Sequence[Stretch], item: Wanted, **place: Any) -> Any:
    """Stretches → DiscreteAnnotation."""
    scheme = host.DiscreteAnnotationScheme(name=item.scheme_name, classes=item.classes)
    data = _rows(stretches, scheme.label_dtype)
    data["id"] = [item.class_ids[stretch.name] for stretch in stretches]
    return host.DiscreteAnnotation(scheme=scheme, data=data, **place)


def _free(stretches: Sequence[Stretch], item: Wanted, **place: Any) -> Any:
    """Stretches → FreeAnnotation."""
    scheme = host.FreeAnnotationScheme(name=item.scheme_name)
    data = _rows(stretches, scheme.label_dtype)
    data["name"] = [stretch.name for stretch in stretches]
    return host.FreeAnnotation(scheme=scheme, data=data, **place)


def _rows(stretches: Sequence[Stretch], dtype: Any) -> Any:
    """Times in ms, and confidences."""
    data = np.zeros(len(stretches), dtype)
    data["from"] = [stretch.start_ms for stretch in stretches]
    data["to"] = [stretch.end_ms for stretch in stretches]
    data["conf"] = [stretch.confidence for stretch in stretches]
    return data
