"""Checks of a request before its hours of work, not after them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from novaspeech import saving
from novaspeech.errors import RequestError, naming
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
    found = []
    for entry in request.outputs:
        output = by_name[entry.id]
        if entry.kind != output.kind or entry.subtype not in ("", output.subtype):
            raise RequestError(f"output {entry.id!r} is {output.data}, the request's src says {entry.fields['src']!r}")
        with naming(f"output {entry.id!r}"):
            _check_path(entry)
            item = (_database_request if entry.origin == "db" else _file_request)(request, entry, output, rate)
        found.append(item.with_classes(output.classes) if output.classes else item)
    return found


def _file_request(request: Request, entry: Entry, output: Output, rate: float) -> OutputRequest:
    said, scheme = entry.fields, str(entry.fields.get("scheme") or entry.id)
    if output.subtype == "discrete":
        return OutputRequest(entry, output, scheme, scheme_classes=_classes(output, said.get("classes") or None))
    if output.subtype != "continuous":
        return OutputRequest(entry, output, scheme)
    try:
        own_rate = float(said["sample_rate"]) if "sample_rate" in said else None
        low, high = float(said.get("min_val", output.low)), float(said.get("max_val", output.high))
    except (TypeError, ValueError) as error:
        raise RequestError(f"sample_rate, min_val and max_val must be numbers: {error}") from None
    if (own_rate is not None and not 0 < own_rate < np.inf) or not low < high:
        raise RequestError(f"sample_rate {own_rate} must be above 0, min_val {low:g} below max_val {high:g}")
    return OutputRequest(entry, output, scheme, own_rate, low, high)


def _database_request(request: Request, entry: Entry, output: Output, rate: float) -> OutputRequest:
    """An output in the database, which must have what the host looks up when it saves: hours later, without a word."""
    if output.kind == "stream":
        for key, remedy in (("name", "type one"), ("role", f"choose one (ADD under Roles in {_WINDOW})")):
            if not entry.fields.get(key):
                raise RequestError(f"no {key} is given; {remedy}")
        if request.database.folder is None:
            raise RequestError("the server was started without a folder for its data (--data_dir)")
        return OutputRequest(entry, output)
    found = _scheme(request, entry, output, rate)
    scheme = str(found["name"])
    _check_people(request, entry)
    if output.subtype == "discrete":
        classes = {str(label["id"]): label for label in found.get("labels", [])}
        return OutputRequest(entry, output, scheme, scheme_classes=_classes(output, classes))
    if output.subtype == "free":
        return OutputRequest(entry, output, scheme)
    # It has a rate of its own, to which the host resamples, and a range.
    own_rate, low, high = (float(found[key]) for key in ("sr", "min", "max"))
    if not own_rate > 0 or not low < high:
        raise RequestError(
            f"the scheme {scheme!r} has {own_rate:g} Hz, from {low:g} to {high:g}; it needs "
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
    wanted = output.scheme_wanted(rate)
    raise RequestError(f"{fault}; it needs {wanted}: choose one, or ADD it under Schemes in {_WINDOW}")


def _check_people(request: Request, entry: Entry) -> None:
    """Raises RequestError for a role or annotator that is not there, or an annotation of theirs that is locked."""
    for key, collection in (("role", "Roles"), ("annotator", "Annotators")):
        value = entry.fields.get(key)
        if not value or not request.database.find(collection, value):
            fault = f"the database has no {key} {value!r}" if value else f"no {key} is chosen"
            raise RequestError(f"{fault}; choose one, or ADD it under {collection} in {_WINDOW}")
    scheme, role, annotator = (str(entry.fields[key]) for key in ("scheme", "role", "annotator"))
    if request.database.is_locked(request.session, scheme, role, annotator):
        raise RequestError(
            f"the annotation with scheme {scheme!r}, role {role!r} and annotator {annotator!r} is locked in session "
            f"{request.session!r}; unlock it in NOVA, or choose another annotator"
        )


def _classes(output: Output, given: Any) -> Mapping[str, Mapping[str, Any]] | None:
    """The classes of a discrete annotation's scheme, id → attributes; None if none are given."""
    try:
        return given and {
            str(int(key)): {"name": value} if isinstance(value, str) else {**value, "name": str(value["name"])}
            for key, value in given.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        example = {"0": {"name": next(iter(output.classes), "some class")}}
        raise RequestError(f"classes must be numbers with names, such as {json.dumps(example)}") from None


def _check_path(entry: Entry) -> None:
    path = entry.path
    if path is None:
        return
    if os.sep == "/" and "\\" in str(path):  # it would become the name of one file in the working folder
        raise RequestError(f"{path} is a path of Windows, and the server runs on another system; give one of its own")
    if saving.too_long(path):
        raise RequestError(f"the name of {path.absolute()} is too long; {_SHORTER}")
    if path.suffix != f".{entry.kind}":
        raise RequestError(f"{path} must end in .{entry.kind}")
    if not path.parent.is_dir():
        raise RequestError(f"there is no folder {path.parent.absolute()}; make it first")
    if not saving.takes_files(path.parent) or saving.protected(path):
        raise RequestError(f"{path.absolute()} cannot be written")
