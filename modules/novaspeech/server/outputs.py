"""What a module can give, and what of it a request asks for."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from novaspeech.errors import RequestError
from novaspeech.server import host

_SUFFIXES = {"stream": ".stream", "annotation": ".annotation"}
_DATABASE_NEEDS = {"stream": ("name", "role"), "annotation": ("scheme", "annotator", "role")}


@dataclass(frozen=True)
class Output:
    """Something that a module can give.

    Attributes:
        id: its name in the trainer, and in what the encoder gives.
        data: as in the trainer: "stream:SSIStream", "annotation:Continuous", "annotation:Discrete" or
            "annotation:Free".
        aliases: other names that requests use for it.
        low, high: the range of a continuous annotation's scores.
        whole: a stream of one sample, which stands for the recording as a whole.
        needs: outputs of the encoder that it is derived from once all windows are encoded; none if that gives it.
        classes: names of a discrete annotation's classes.
    """

    id: str
    data: str = "stream:SSIStream"
    aliases: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    needs: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The word "stream" or "annotation"."""
        return self.data.split(":")[0]

    @property
    def whole_id(self) -> str | None:
        """Its id if the encoder gives it of the whole recording, else None."""
        return self.id if self.whole and not self.needs else None

    @property
    def subtype(self) -> str:
        """What stands after it, in small letters, as the host compares it."""
        return self.data.split(":")[1].lower()


@dataclass(frozen=True)
class Wanted:
    """An output that a request asks for, all that can be wrong with it checked.

    Attributes:
        description: the entry of the request.
        output: what it means here.
        scheme_name: of an annotation.
        rate: in Hz, if the request names one for an annotation in a file.
        low, high: the range that an annotation's scores are to have.
        classes: of a discrete annotation's scheme: id → attributes, "name" among them.
        class_ids: id of each class of the output.
    """

    description: host.Description
    output: Output
    scheme_name: str = ""
    rate: float | None = None
    low: float = 0.0
    high: float = 1.0
    classes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    class_ids: Mapping[str, int] = field(default_factory=dict)

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
    if kind != output.kind or subtype not in ("", output.subtype):
        raise RequestError(f"output {name!r} is {output.data}, the request's src says {description['src']!r}")
    if origin == "db":
        for key in _DATABASE_NEEDS[kind]:
            host.require(description, key)
    _check_path(manager, description, output)
    if kind == "stream":
        return Wanted(description, output)
    if output.subtype == "discrete":
        return _check_classes(manager, description, output)
    scheme_name = str(description.get("scheme") or name)
    if origin == "db":  # has a range of its own, and resamples by itself
        scheme_name = host.database_scheme(manager, description).name
        return Wanted(description, output, scheme_name, None, output.low, output.high)
    if output.subtype == "free":
        return Wanted(description, output, scheme_name)
    try:
        rate = float(description["sample_rate"]) if "sample_rate" in description else None
        low, high = float(description.get("min_val", output.low)), float(description.get("max_val", output.high))
    except (TypeError, ValueError) as error:
        raise RequestError(f"output {name!r}: sample_rate, min_val and max_val must be numbers: {error}") from None
    if (rate is not None and not 0 < rate < np.inf) or not low < high:
        raise RequestError(
            f"output {name!r}: sample_rate {rate} must be above 0, min_val {low:g} below max_val {high:g}"
        )
    return Wanted(description, output, scheme_name, rate, low, high)


def _check_classes(manager: Any, description: host.Description, output: Output) -> Wanted:
    name, in_database = description["id"], host.describe(description)[0] == "db"
    scheme_name = str(description.get("scheme") or name)
    classes: Any = description.get("classes") or {str(index): text for index, text in enumerate(output.classes)}
    if in_database:
        scheme = host.database_scheme(manager, description)
        scheme_name, classes = scheme.name, scheme.classes
    try:
        named = {str(key): {"name": value} if isinstance(value, str) else dict(value) for key, value in classes.items()}
        ids = {plain_name(str(attributes["name"])): int(key) for key, attributes in named.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        example = {"0": {"name": next(iter(output.classes), "some class")}}
        raise RequestError(
            f"output {name!r}: classes must be numbers with names, such as {json.dumps(example)}"
        ) from None
    for place, wanted in enumerate(output.classes):
        if plain_name(wanted) in map(plain_name, output.classes[:place]):
            raise RequestError(f"output {name!r}: the class {wanted!r} is there twice, written in different ways")
        if plain_name(wanted) not in ids:
            there = ", ".join(repr(attributes["name"]) for attributes in named.values())
            raise RequestError(f"output {name!r}: its scheme has no class {wanted!r}, only {there or 'none'}; add it")
        if in_database and ids[plain_name(wanted)] == len(named):
            # The server takes this id for the class of rest, and drops its labels.
            raise RequestError(
                f"output {name!r}: the class {wanted!r} has the id {len(named)}, which the server keeps for REST; "
                f"number the scheme's classes from 0"
            )
    # NOVA-Server writes a class's id only if it is among its attributes.
    classes = {key: {"id": key} | attributes for key, attributes in named.items()}
    class_ids = {wanted: ids[plain_name(wanted)] for wanted in output.classes}
    return Wanted(description, output, scheme_name, classes=classes, class_ids=class_ids)


def plain_name(name: str) -> str:
    """Names of classes are compared without case, blanks, hyphens and underscores."""
    return re.sub(r"[\s_-]", "", name).casefold()


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
