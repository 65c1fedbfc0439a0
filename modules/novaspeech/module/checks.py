"""What a request asks for, and what is wrong with it: found before the hours of work, not after them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from novaspeech.errors import RequestError
from novaspeech.module.output import Output, OutputRequest
from novaspeech.server import database, host, places, saving

# Scores of a continuous annotation that one of MongoDB's documents holds, which have 16 MiB at most.
MOST_SCORES = 400_000
_SUFFIXES = {"stream": ".stream", "annotation": ".annotation"}
_SHORTER = "give a shorter one, which leaves room for the ~ that the data's file has at its end"
_WINDOW = "NOVA's window DATABASE > Administration > Manage Databases"


def requested_outputs(manager: Any, outputs: Sequence[Output], rate: float = 25.0) -> list[OutputRequest]:
    """The outputs that the request asks for and has not unticked.

    Args:
        manager: the session's `SessionManager`.
        outputs: what the module can give.
        rate: of the request's windows, in Hz.

    Raises:
        RequestError: an unknown id, another kind of data, a place that cannot be written or is another output's, a
            scheme that is not there, an impossible range, or no output at all.
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
        wanted.append(description)
    if not wanted:
        raise RequestError(f"the request asks for no output, or for none that is active; this module gives {known}")
    _refuse_collisions(manager, wanted)
    return [_check(manager, description, by_name[description["id"]], rate) for description in wanted]


def refuse_too_many_scores(requests: Sequence[OutputRequest], end_ms: int) -> None:
    """Raises RequestError for a continuous annotation that the database could not store, when all is computed."""
    for request in requests:
        rate = request.database_rate or 0
        count = int(rate * end_ms / 1000)
        if count > MOST_SCORES:
            raise RequestError(
                f"output {request.key!r}: {count} scores at the {rate:g} Hz of its scheme; the database holds "
                f"{MOST_SCORES} at most, {MOST_SCORES / rate / 3600:.1f} h: choose one with a lower rate, or set end"
            )


def _refuse_collisions(manager: Any, outputs: Sequence[host.Description]) -> None:
    """Raises RequestError for two outputs of which one would replace the other."""
    taken: dict[tuple[str, ...], str] = {}
    for entry in outputs:
        target, name = places.target(manager, entry), str(entry["id"])
        if all(target) and target in taken:
            raise places.replaced(name, f"output {taken[target]!r}", target)
        taken[target] = name


def _check(manager: Any, description: host.Description, output: Output, rate: float) -> OutputRequest:
    name = description["id"]
    origin, kind, subtype = host.describe(description)
    if kind != output.kind or subtype not in ("", output.subtype):
        raise RequestError(f"output {name!r} is {output.data}, the request's src says {description['src']!r}")
    if origin == "db":
        return _database_request(manager, description, output, rate)
    _check_path(manager, description, output)
    if kind == "stream":
        return OutputRequest(description, output)
    scheme = str(description.get("scheme") or name)
    if output.subtype == "discrete":
        return _discrete_request(description, output, scheme, description.get("classes") or None)
    if output.subtype == "free":
        return OutputRequest(description, output, scheme)
    try:
        own_rate = float(description["sample_rate"]) if "sample_rate" in description else None
        low, high = float(description.get("min_val", output.low)), float(description.get("max_val", output.high))
    except (TypeError, ValueError) as error:
        raise RequestError(f"output {name!r}: sample_rate, min_val and max_val must be numbers: {error}") from None
    if (own_rate is not None and not 0 < own_rate < np.inf) or not low < high:
        raise RequestError(
            f"output {name!r}: sample_rate {own_rate} must be above 0, min_val {low:g} below max_val {high:g}"
        )
    return OutputRequest(description, output, scheme, own_rate, low, high)


def _database_request(manager: Any, description: host.Description, output: Output, rate: float) -> OutputRequest:
    """An output in the database, which must have what the host looks up when it saves: hours later, without a word."""
    name = f"output {description['id']!r}"
    if output.kind == "stream":
        for key, remedy in (("name", "type one"), ("role", f"choose one (ADD under Roles in {_WINDOW})")):
            if not description.get(key):
                raise RequestError(f"{name} has no {key}; {remedy}")
        if database.data_folder(manager) is None:
            raise RequestError(f"{name}: the server was started without a folder for its data (--data_dir)")
        _check_path(manager, description, output)
        return OutputRequest(description, output)
    scheme, found = str(description.get("scheme") or ""), _scheme(manager, description, output, rate)
    _check_people(manager, description)
    if output.subtype == "discrete":
        classes = {str(label["id"]): label for label in found.get("labels", [])}
        return _discrete_request(description, output, scheme, classes)
    if output.subtype == "free":
        return OutputRequest(description, output, scheme)
    # It has a rate of its own, to which the host resamples, and a range.
    own_rate, low, high = (float(found[key]) for key in ("sr", "min", "max"))
    if not own_rate > 0 or not low < high:
        raise RequestError(
            f"{name}: the scheme {scheme!r} has {own_rate:g} Hz, from {low:g} to {high:g}; it needs "
            f"{output.scheme_wanted(rate)}: mend it under Schemes in {_WINDOW}"
        )
    return OutputRequest(description, output, scheme, None, low, high, database_rate=own_rate)


def _scheme(manager: Any, description: host.Description, output: Output, rate: float) -> Mapping[str, Any]:
    """The scheme in the database, which is of the output's kind."""
    scheme = description.get("scheme")
    found = database.find(manager, "Schemes", scheme) if scheme else None
    if found and str(found.get("type")).lower() == output.subtype:
        return found
    fault = f"the database has no scheme {scheme!r}" if scheme else "no scheme is chosen"
    fault = f"the scheme {scheme!r} is {str(found.get('type')).lower()}" if found else fault
    raise RequestError(
        f"output {description['id']!r}: {fault}; it needs {output.scheme_wanted(rate)}: choose one, or ADD it under "
        f"Schemes in {_WINDOW}"
    )


def _check_people(manager: Any, description: host.Description) -> None:
    """Raises RequestError for a role or annotator that is not there, or an annotation of theirs that is locked."""
    name = f"output {description['id']!r}"
    for key, collection in (("role", "Roles"), ("annotator", "Annotators")):
        value = description.get(key)
        if not value or not database.find(manager, collection, value):
            fault = f"the database has no {key} {value!r}" if value else f"no {key} is chosen"
            raise RequestError(f"{name}: {fault}; choose one, or ADD it under {collection} in {_WINDOW}")
    scheme, role, annotator = (str(description[key]) for key in ("scheme", "role", "annotator"))
    if database.is_locked(manager, scheme, role, annotator):
        raise RequestError(
            f"{name}: the annotation with scheme {scheme!r}, role {role!r} and annotator {annotator!r} is locked in "
            f"session {manager.session!r}; unlock it in NOVA, or choose another annotator"
        )


def _discrete_request(description: host.Description, output: Output, scheme: str, given: Any) -> OutputRequest:
    try:
        named: Mapping[str, Mapping[str, Any]] | None = given and {
            str(int(key)): {"name": value} if isinstance(value, str) else {**value, "name": str(value["name"])}
            for key, value in given.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        example = {"0": {"name": next(iter(output.classes), "some class")}}
        raise RequestError(
            f"output {description['id']!r}: classes must be numbers with names, such as {json.dumps(example)}"
        ) from None
    request = OutputRequest(description, output, scheme, scheme_classes=named)
    return request.with_classes(output.classes) if output.classes else request


def _check_path(manager: Any, description: host.Description, output: Output) -> None:
    path = places.output_path(manager, description)
    if path is None:
        return
    if saving.too_long(path):
        raise RequestError(f"output {description['id']!r}: the name of {path.absolute()} is too long; {_SHORTER}")
    if path.suffix != _SUFFIXES[output.kind]:
        raise RequestError(f"output {description['id']!r}: {path} must end in {_SUFFIXES[output.kind]}")
    if not path.parent.is_dir():
        raise RequestError(f"output {description['id']!r}: there is no folder {path.parent.absolute()}; make it first")
    if not saving.takes_files(path.parent) or saving.protected(path):
        raise RequestError(f"output {description['id']!r}: {path.absolute()} cannot be written")
