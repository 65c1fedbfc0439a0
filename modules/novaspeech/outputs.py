"""Arrays → the streams and annotations that a request names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from novaspeech import host
from novaspeech.errors import RequestError
from novaspeech.inference import Encoded
from novaspeech.windows import BoolArray, FloatArray, WindowGrid

_SUFFIXES = {"stream": ".stream", "annotation": ".annotation"}


@dataclass(frozen=True)
class Output:
    """Something that a module can give.

    Attributes:
        id: its name in the trainer, and in what the encoder gives.
        data: as in the trainer: "stream:SSIStream" or "annotation:Continuous".
        aliases: other names that requests use for it.
        low, high: the range of a continuous annotation's scores.
    """

    id: str
    data: str = "stream:SSIStream"
    aliases: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0

    @property
    def kind(self) -> str:
        """The word "stream" or "annotation"."""
        return self.data.split(":")[0]


@dataclass(frozen=True)
class Wanted:
    """An output that a request asks for: the entry of the request, and what it means here."""

    description: host.Description
    output: Output

    @property
    def key(self) -> str:
        """The id that the request used, under which the host expects the result."""
        return str(self.description["id"])


def wanted_outputs(manager: Any, outputs: Sequence[Output]) -> list[Wanted]:
    """The outputs that the request asks for and has not unticked.

    Args:
        manager: the session's `SessionManager`.
        outputs: what the module can give.

    Raises:
        RequestError: an unknown id, another kind of data, a file that could not be written, or no output at all.
    """
    by_name = {name: output for output in outputs for name in (output.id, *output.aliases)}
    known = ", ".join(output.id for output in outputs)
    wanted = []
    for description in manager.data_description:
        if description.get("type") != "output" or not description.get("active", True):
            continue
        name = description.get("id")
        if name not in by_name:
            raise RequestError(f"the request asks for output {name!r}; this module gives {known}")
        _check_kind(description, by_name[name])
        _check_path(manager, description, by_name[name])
        wanted.append(Wanted(description, by_name[name]))
    if not wanted:
        raise RequestError(f"the request asks for no output, or for none that is active; this module gives {known}")
    return wanted


def _check_kind(description: host.Description, output: Output) -> None:
    _, kind, subtype = host.describe(description)
    if kind != output.kind or subtype not in ("", output.data.split(":")[1].lower()):
        raise RequestError(
            f"output {description['id']!r} is {output.data}, the request's src says {description['src']!r}"
        )


def _check_path(manager: Any, description: host.Description, output: Output) -> None:
    """Before the hours of work, not after them."""
    path = host.output_path(manager, description)
    if path is None:
        return
    if path.suffix != _SUFFIXES[output.kind]:
        raise RequestError(f"output {description['id']!r}: {path} must end in {_SUFFIXES[output.kind]}")
    if not path.parent.is_dir():
        raise RequestError(f"output {description['id']!r}: there is no folder {path.parent.absolute()}; make it first")
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise RequestError(f"output {description['id']!r}: {path.absolute()} cannot be written")


def build_outputs(manager: Any, wanted: Sequence[Wanted], encoded: Encoded, grid: WindowGrid) -> dict[str, Any]:
    """The host's objects for one session, under the ids that the request used."""
    templates = host.output_templates(manager, [item.description for item in wanted])
    built = {}
    for item in wanted:
        values, template = encoded.values[item.output.id], templates[item.key]
        if item.output.kind == "stream":
            built[item.key] = _stream(values, template, grid)
        else:
            built[item.key] = _continuous(values[:, 0], encoded.usable, template, item, grid)
    return built


def _place(template: Any) -> Mapping[str, Any]:
    meta = template.meta_data
    return {"role": meta.role, "session": meta.session, "dataset": meta.dataset, "name": meta.name}


def _stream(values: FloatArray, template: Any, grid: WindowGrid) -> Any:
    """(count, D) float32 → SSIStream."""
    return host.SSIStream(
        data=values, sample_rate=grid.rate, sample_shape=values.shape[1:], media_type="feature", **_place(template)
    )


def _continuous(scores: FloatArray, usable: BoolArray, template: Any, item: Wanted, grid: WindowGrid) -> Any:
    """(count,) float32 scores → ContinuousAnnotation, on the scale and at the rate that a file output names."""
    output, asked = item.output, item.description
    rate, low, high = grid.rate, output.low, output.high
    scores = np.clip(scores, low, high)
    if host.describe(asked)[0] == "file":
        # The database resamples by itself and has its own range.
        rate = float(asked.get("sample_rate", rate))
        new_low, new_high = float(asked.get("min_val", low)), float(asked.get("max_val", high))
        scores = (new_low + (scores - low) / (high - low) * (new_high - new_low)).astype(np.float32)
        low, high = new_low, new_high
    scores = np.where(usable, scores, np.float32(np.nan))
    if rate != grid.rate:
        scores = _resample(scores, grid.rate, rate)
    scheme = template.annotation_scheme
    data = np.zeros(len(scores), scheme.label_dtype)
    data["score"], data["conf"] = scores, np.isfinite(scores)
    return host.ContinuousAnnotation(
        scheme=host.ContinuousAnnotationScheme(name=scheme.name, sample_rate=rate, min_val=low, max_val=high),
        data=data,
        annotator=template.meta_data.annotator,
        **_place(template),
    )


def _resample(scores: FloatArray, rate: float, new_rate: float) -> FloatArray:
    """Linear interpolation between scores; a gap (NaN) stays one."""
    count = int(len(scores) * new_rate / rate + 1e-6)  # 299.9999999 means 300
    places = np.minimum(np.arange(count) * rate / new_rate, len(scores) - 1)
    resampled: FloatArray = np.interp(places, np.arange(len(scores)), scores).astype(np.float32)
    return resampled
