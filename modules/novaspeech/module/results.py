"""Arrays and segments → the host's streams and annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.audio.grid import WindowGrid
from novaspeech.inference.engine import Windows
from novaspeech.module.output import Output, OutputRequest
from novaspeech.module.session import Results, Session, Value
from novaspeech.segments import Segment
from novaspeech.server import host

LOWEST_RATE = 0.001  # in Hz: the servers write three decimals, and readers divide by what they find


def build_outputs(session: Session, results: Results) -> dict[str, Any]:
    """The host's objects for one session, under the ids that the request used; it saves each whole or not at all."""
    built = {item.entry.id: build_output(item, results[item.output.id], session) for item in session.requests}
    return {key: host.saved_whole(data) for key, data in built.items()}


def build_output(item: OutputRequest, value: Value, session: Session) -> Any:
    """The host's object of one output; role, name and annotator are the request's."""
    entry, said = item.entry, item.entry.fields
    place = {"role": said.get("role"), "name": said.get("name")}
    if entry.session:
        place |= {"session": entry.session, "dataset": entry.dataset}
    if item.output.kind == "annotation":
        place["annotator"] = said.get("annotator")
    if isinstance(value, list):
        if item.output.subtype == "discrete":
            item = item.with_classes(session.classes.get(item.output.id, item.output.classes))
        return annotation_of(value, item, **place)
    if item.output.kind == "annotation":
        assert isinstance(value, Windows)
        return _continuous(value, item, session.grid, **place)
    rate, values = session.grid.rate, value.values if isinstance(value, Windows) else value[None]
    if item.output.whole:
        rate = max(LOWEST_RATE, 1000 / max(1, session.recording.duration_ms))
    return host.SSIStream(data=values, sample_rate=rate, sample_shape=values.shape[1:], media_type="feature", **place)


def scores_of(value: Windows, output: Output) -> FloatArray:
    """A continuous annotation's scores (count,) float32: within the output's range, NaN where there is no value."""
    scores = np.clip(value.values[:, 0], output.low, output.high)
    return np.where(value.usable, scores, np.nan).astype(np.float32)


def _continuous(value: Windows, item: OutputRequest, grid: WindowGrid, **place: Any) -> Any:
    """Scores → ContinuousAnnotation, in the range and at the rate wanted."""
    low, high = item.output.low, item.output.high
    share = (scores_of(value, item.output) - low) / (high - low)
    scores = (item.low + share * (item.high - item.low)).astype(np.float32)
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


def annotation_of(segments: Sequence[Segment], item: OutputRequest, **place: Any) -> Any:
    """Segments → DiscreteAnnotation or FreeAnnotation."""
    if item.output.subtype == "discrete":
        scheme = host.DiscreteAnnotationScheme(name=item.scheme_name, classes=item.scheme_classes)
        made, column = host.FinalAnnotation, "id"
        named: list[Any] = [item.class_ids[segment.name] for segment in segments]
    else:
        # Files of the servers have ";" between columns, and quote nothing.
        marks = {} if item.in_database else str.maketrans(';"\n\r', ",'  ")
        scheme = host.FreeAnnotationScheme(name=item.scheme_name)
        made, column = host.FreeAnnotation, "name"
        named = [segment.name.translate(marks) for segment in segments]
    data = np.zeros(len(segments), scheme.label_dtype)
    data["from"] = [segment.start_ms for segment in segments]
    data["to"] = [segment.end_ms for segment in segments]
    data["conf"] = [segment.confidence for segment in segments]
    data[column] = named
    return made(scheme=scheme, data=data, **place)
