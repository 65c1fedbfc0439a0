"""Checks of a request before its hours of work, not after them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from novaspeech import saving
from novaspeech.errors import RequestError
from novaspeech.module.output import Output, OutputRequest
from novaspeech.server.request import Entry, Request, replaced

_SHORTER = "give a shorter one, which leaves room for the ~ that the data's file has at its end"
_WINDOW = "NOVA's window DATABASE > Administration > Manage Databases"


def requested_outputs(request: Request, outputs: Sequence[Output], rate: float) -> list[OutputRequest]:
    """The outputs that the request asks for and has not unticked, of those that the module can give.

    Args:
        rate: of the request's windows, in Hz.

    Raises:
        RequestError: an unknown id, another kind of data, a place that cannot be written or is another output's, a
            scheme that is not there, an impossible range, or no output at all.
    """
    by_name = {name: output for output in outputs for name in (output.id, *output.aliases)}
    known = ", ".join(output.id for output in outputs)
    for entry in request.outputs:
        if entry.id not in by_name:
            raise RequestError(f"the request asks for output {entry.id!r}; this module gives {known}")
    if not request.outputs:
        raise RequestError(f"the request asks for no output, or for none that is active; this module gives {known}")
    taken: dict[tuple[str, ...], str] = {}
    for entry in request.outputs:
        if all(entry.target) and entry.target in taken:
            raise replaced(entry.id, f"output {taken[entry.target]!r}", entry.target)
        taken[entry.target] = entry.id
    return [_check(request, entry, by_name[entry.id], rate) for entry in request.outputs]


def _check(request: Request, entry: Entry, output: Output, rate: float) -> OutputRequest:
    said, (kind, subtype) = entry.fields, output.data.lower().split(":")
    if entry.kind != kind or entry.subtype not in ("", subtype):
        raise RequestError(f"output {entry.id!r} is {output.data}, the request's src says {said['src']!r}")
    if entry.origin == "db":
        return _database_request(request, entry, output, rate)
    _check_path(entry)
    if entry.kind == "stream":
        return OutputRequest(entry, output)
    scheme = str(said.get("scheme") or entry.id)
    if subtype == "discrete":
        return _discrete_request(entry, output, scheme, said.get("classes") or None)
    if subtype == "free":
        return OutputRequest(entry, output, scheme)
    try:
        own_rate = float(said["sample_rate"]) if "sample_rate" in said else None
        low, high = float(said.get("min_val", output.low)), float(said.get("max_val", output.high))
    except (TypeError, ValueError) as error:
        raise RequestError(f"output {entry.id!r}: sample_rate, min_val and max_val must be numbers: {error}") from None
    if (own_rate is not None and not 0 < own_rate < np.inf) or not low < high:
        raise RequestError(
            f"output {entry.id!r}: sample_rate {own_rate} must be above 0, min_val {low:g} below max_val {high:g}"
        )
    return OutputRequest(entry, output, scheme, own_rate, low, high)


def _database_request(request: Request, entry: Entry, output: Output, rate: float) -> OutputRequest:
    """An output in the database, which must have what the host looks up when it saves: hours later, without a word."""
    name, said = f"output {entry.id!r}", entry.fields
    if output.kind == "stream":
        for key, remedy in (("name", "type one"), ("role", f"choose one (ADD under Roles in {_WINDOW})")):
            if not said.get(key):
                raise RequestError(f"{name} has no {key}; {remedy}")
        if request.database.folder is None:
            raise RequestError(f"{name}: the server was started without a folder for its data (--data_dir)")
        _check_path(entry)
        return OutputRequest(entry, output)
    scheme, found = str(said.get("scheme") or ""), _scheme(request, entry, output, rate)
    _check_people(request, entry)
    if output.subtype == "discrete":
        classes = {str(label["id"]): label for label in found.get("labels", [])}
        return _discrete_request(entry, output, scheme, classes)
    if output.subtype == "free":
        return OutputRequest(entry, output, scheme)
    # It has a rate of its own, to which the host resamples, and a range.
    own_rate, low, high = (float(found[key]) for key in ("sr", "min", "max"))
    if not own_rate > 0 or not low < high:
        raise RequestError(
            f"{name}: the scheme {scheme!r} has {own_rate:g} Hz, from {low:g} to {high:g}; it needs "
            f"{output.scheme_wanted(rate)}: mend it under Schemes in {_WINDOW}"
        )
    remark = ""
    if (low, high) != (output.low, output.high):
        remark = (
            f"{entry.id}: scores from {output.low:g} to {output.high:g} are stored as {low:g} to {high:g}, the range "
            f"of the scheme {scheme!r}"
        )
    return OutputRequest(entry, output, scheme, None, low, high, database_rate=own_rate, remark=remark)


def _scheme(request: Request, entry: Entry, output: Output, rate: float) -> Mapping[str, Any]:
    """The scheme in the database, which is of the output's kind."""
    scheme = entry.fields.get("scheme")
    found = request.database.find("Schemes", scheme) if scheme else None
    if found and str(found.get("type")).lower() == output.subtype:
        return found
    fault = f"the database has no scheme {scheme!r}" if scheme else "no scheme is chosen"
    fault = f"the scheme {scheme!r} is {str(found.get('type')).lower()}" if found else fault
    raise RequestError(
        f"output {entry.id!r}: {fault}; it needs {output.scheme_wanted(rate)}: choose one, or ADD it under "
        f"Schemes in {_WINDOW}"
    )


def _check_people(request: Request, entry: Entry) -> None:
    """Raises RequestError for a role or annotator that is not there, or an annotation of theirs that is locked."""
    name = f"output {entry.id!r}"
    for key, collection in (("role", "Roles"), ("annotator", "Annotators")):
        value = entry.fields.get(key)
        if not value or not request.database.find(collection, value):
            fault = f"the database has no {key} {value!r}" if value else f"no {key} is chosen"
            raise RequestError(f"{name}: {fault}; choose one, or ADD it under {collection} in {_WINDOW}")
    scheme, role, annotator = (str(entry.fields[key]) for key in ("scheme", "role", "annotator"))
    if request.database.is_locked(request.session, scheme, role, annotator):
        raise RequestError(
            f"{name}: the annotation with scheme {scheme!r}, role {role!r} and annotator {annotator!r} is locked in "
            f"session {request.session!r}; unlock it in NOVA, or choose another annotator"
        )


def _discrete_request(entry: Entry, output: Output, scheme: str, given: Any) -> OutputRequest:
    try:
        named: Mapping[str, Mapping[str, Any]] | None = given and {
            str(int(key)): {"name": value} if isinstance(value, str) else {**value, "name": str(value["name"])}
            for key, value in given.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        example = {"0": {"name": next(iter(output.classes), "some class")}}
        raise RequestError(
            f"output {entry.id!r}: classes must be numbers with names, such as {json.dumps(example)}"
        ) from None
    request = OutputRequest(entry, output, scheme, scheme_classes=named)
    return request.with_classes(output.classes) if output.classes else request


def _check_path(entry: Entry) -> None:
    path, ending = entry.path, f".{entry.kind}"
    if path is None:
        return
    if saving.too_long(path):
        raise RequestError(f"output {entry.id!r}: the name of {path.absolute()} is too long; {_SHORTER}")
    if path.suffix != ending:
        raise RequestError(f"output {entry.id!r}: {path} must end in {ending}")
    if not path.parent.is_dir():
        raise RequestError(f"output {entry.id!r}: there is no folder {path.parent.absolute()}; make it first")
    if not saving.takes_files(path.parent) or saving.protected(path):
        raise RequestError(f"output {entry.id!r}: {path.absolute()} cannot be written")
