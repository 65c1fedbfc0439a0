"""Arrays → the streams and annotations that a request names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from novaspeech import host
from novaspeech.errors import RequestError
from novaspeech.inference import Encoded
from novaspeech.windows import BoolArray, FloatArray, WindowGrid

_SUFFIXES = {"stream": ".stream", "annotation": ".annotation"}
LOWEST_RATE = 0.001  # in Hz: the servers write three decimals, and readers divide by what they find
_DATABASE_NEEDS = {"stream": ("name", "role"), "annotation": ("scheme", "annotator", "role")}


@dataclass(frozen=True)
class Output:
    """Something that a module can give.

    Attributes:
        id: its name in the trainer, and in what the encoder gives.
        data: as in the trainer: "stream:SSIStream" or "annotation:Continuous".
        aliases: other names that requests use for it.
        low, high: the range of a continuous annotation's scores.
        whole: a stream of one sample, which stands for the recording as a whole.
    """

    id: str
    data: str = "stream:SSIStream"
    aliases: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    whole: bool = False

    @property
    def kind(self) -> str:
        """The word "stream" or "annotation"."""
        return self.data.split(":")[0]


@dataclass(frozen=True)
class Wanted:
    """An output that a request asks for, all that can be wrong with it checked.

    Attributes:
        description: the entry of the request.
        output: what it means here.
        scheme_name: of an annotation.
        rate: in Hz, if the request names one for an annotation in a file.
        low, high: the range that an annotation's scores are to have.
    """

    description: host.Description
    output: Output
    scheme_name: str = ""
    rate: float | None = None
    low: float = 0.0
    high: float = 1.0

    @property
    def key(self) -> str:
        """The id that the request used, under which the host expects the result."""
        return str(self.description["id"])


def wanted_outputs(manager: Any, outputs: Sequence[Output]) -> list[Wanted]:
    """The outputs that the request asks for and has not unticked.

    What is wrong is found here, before the hours of work, not after them.

    Args:
        manager: the session's `SessionManager`.
        outputs: what the module can give.

    Raises:
        RequestError: an unknown id, another kind of data, a place that cannot be written, an impossible range, or
            no output at all.
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
        wanted.append(_check(manager, description, by_name[name]))
    if not wanted:
        raise RequestError(f"the request asks for no output, or for none that is active; this module gives {known}")
    return wanted


def _check(manager: Any, description: host.Description, output: Output) -> Wanted:
    name = description["id"]
    origin, kind, subtype = host.describe(description)
    if kind != output.kind or subtype not in ("", output.data.split(":")[1].lower()):
        raise RequestError(f"output {name!r} is {output.data}, the request's src says {description['src']!r}")
    if origin == "db":
        for key in _DATABASE_NEEDS[kind]:
            host.require(description, key)
    _check_path(manager, description, output)
    if kind == "stream":
        return Wanted(description, output)
    if origin == "db":  # has a range of its own, and resamples by itself
        return Wanted(
            description, output, host.database_scheme(manager, description).name, None, output.low, output.high
        )
    try:
        rate = float(description["sample_rate"]) if "sample_rate" in description else None
        low, high = float(description.get("min_val", output.low)), float(description.get("max_val", output.high))
    except (TypeError, ValueError) as error:
        raise RequestError(f"output {name!r}: sample_rate, min_val and max_val must be numbers: {error}") from None
    if (rate is not None and not 0 < rate < np.inf) or not low < high:
        raise RequestError(
            f"output {name!r}: sample_rate {rate} must be above 0, min_val {low:g} below max_val {high:g}"
        )
    return Wanted(description, output, str(description.get("scheme") or name), rate, low, high)


def _check_path(manager: Any, description: host.Description, output: Output) -> None:
    path = host.output_path(manager, description)
    if path is None:
        return
    if path.suffix != _SUFFIXES[output.kind]:
        raise RequestError(f"output {description['id']!r}: {path} must end in {_SUFFIXES[output.kind]}")
    if not path.parent.is_dir():
        raise RequestError(f"output {description['id']!r}: there is no folder {path.parent.absolute()}; make it first")
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise RequestError(f"output {description['id']!r}: {path.absolute()} cannot be written")


def build_outputs(
    manager: Any, wanted: Sequence[Wanted], encoded: Encoded, grid: WindowGrid, recording_ms: int
) -> dict[str, Any]:
    """The host's objects for one session, under the ids that the request used.

    Role and name are the request's, session and dataset those of `manager`.
    """
    built = {}
    for item in wanted:
        values = encoded.values[item.output.id]
        place = {key: item.description.get(key) for key in ("role", "name")}
        place |= {"session": manager.session, "dataset": manager.dataset}
        if item.output.kind == "stream":
            rate = max(LOWEST_RATE, 1000 / recording_ms) if item.output.whole else grid.rate
            built[item.key] = host.SSIStream(
                data=values, sample_rate=rate, sample_shape=values.shape[1:], media_type="feature", **place
            )
        else:
            annotator = item.description.get("annotator")
            built[item.key] = _continuous(values[:, 0], encoded.usable, item, grid, annotator=annotator, **place)
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
