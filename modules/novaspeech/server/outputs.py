"""What a module can give, and what of it a request asks for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from novaspeech.errors import RequestError
from novaspeech.segments import plain_name
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
        classes: names of a discrete annotation's classes; none if each session says which (`Session.name_classes`).
    """

    id: str
    data: str = "stream:SSIStream"
    aliases: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    classes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The word "stream" or "annotation"."""
        return self.data.split(":")[0]

    @property
    def subtype(self) -> str:
        """The word after the kind, in small letters: "ssistream", "continuous", "discrete" or "free"."""
        return self.data.split(":")[1].lower()


@dataclass(frozen=True)
class OutputRequest:
    """An output that a request asks for, all that can be wrong with it checked.

    Attributes:
        description: the entry of the request.
        output: what it means here.
        scheme_name: name of an annotation's scheme.
        rate: Hz, if the request names a rate for an annotation in a file.
        low, high: the range that an annotation's scores are to have.
        scheme_classes: of a discrete annotation's scheme, id → attributes, "name" among them; None if the request names
            no scheme, so that the module's classes are numbered as they come.
        class_ids: name of each class of the output → its id.
    """

    description: host.Description
    output: Output
    scheme_name: str = ""
    rate: float | None = None
    low: float = 0.0
    high: float = 1.0
    scheme_classes: Mapping[str, Mapping[str, Any]] | None = None
    class_ids: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_file(cls, output: Output) -> OutputRequest:
        """The request of a file that we choose ourselves, for `output`."""
        return cls({"id": output.id}, output, output.id, low=output.low, high=output.high)

    @property
    def key(self) -> str:
        """The id that the request used, under which the host expects the result."""
        return str(self.description["id"])

    @property
    def in_database(self) -> bool:
        """Whether it goes to the database, not to a file."""
        return "src" in self.description and host.describe(self.description)[0] == "db"

    def with_classes(self, names: Sequence[str]) -> OutputRequest:
        """A copy for a discrete annotation with these classes.

        Raises:
            RequestError: the scheme lacks one of them, or two are the same.
        """
        given = self.scheme_classes
        if given is None:
            given = {str(number): {"name": name} for number, name in enumerate(names)}
        ids = {plain_name(str(attributes["name"])): int(key) for key, attributes in given.items()}
        for place, name in enumerate(names):
            self._check_class(name, names[:place], ids, [str(attributes["name"]) for attributes in given.values()])
        # NOVA-Server writes a class's id only if it is among its attributes.
        classes = {key: {"id": key, **attributes} for key, attributes in given.items()}
        return replace(self, scheme_classes=classes, class_ids={name: ids[plain_name(name)] for name in names})

    def _check_class(self, name: str, before: Sequence[str], ids: Mapping[str, int], there: Sequence[str]) -> None:
        plain = plain_name(name)
        if plain in map(plain_name, before):
            raise RequestError(f"output {self.key!r}: the class {name!r} is there twice, written in different ways")
        if plain not in ids:
            listed = ", ".join(map(repr, there)) or "none"
            raise RequestError(f"output {self.key!r}: its scheme has no class {name!r}, only {listed}; add it")
        if self.in_database and ids[plain] == len(there):
            # The server takes this id for the class of rest, and drops its labels.
            raise RequestError(
                f"output {self.key!r}: the class {name!r} has the id {len(there)}, which the server keeps for REST; "
                f"number the scheme's classes from 0"
            )


def requested_outputs(manager: Any, outputs: Sequence[Output]) -> list[OutputRequest]:
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


def _check(manager: Any, description: host.Description, output: Output) -> OutputRequest:
    name = description["id"]
    origin, kind, subtype = host.describe(description)
    if kind != output.kind or subtype not in ("", output.subtype):
        raise RequestError(f"output {name!r} is {output.data}, the request's src says {description['src']!r}")
    if origin == "db":
        for key in _DATABASE_NEEDS[kind]:
            host.require(description, key)
    _check_path(manager, description, output)
    if kind == "stream":
        return OutputRequest(description, output)
    if output.subtype == "discrete":
        return _discrete_request(manager, description, output)
    scheme_name = str(description.get("scheme") or name)
    if origin == "db":  # has a range of its own, and resamples by itself
        scheme_name = host.database_scheme(manager, description).name
        return OutputRequest(description, output, scheme_name, None, output.low, output.high)
    if output.subtype == "free":
        return OutputRequest(description, output, scheme_name)
    try:
        rate = float(description["sample_rate"]) if "sample_rate" in description else None
        low, high = float(description.get("min_val", output.low)), float(description.get("max_val", output.high))
    except (TypeError, ValueError) as error:
        raise RequestError(f"output {name!r}: sample_rate, min_val and max_val must be numbers: {error}") from None
    if (rate is not None and not 0 < rate < np.inf) or not low < high:
        raise RequestError(
            f"output {name!r}: sample_rate {rate} must be above 0, min_val {low:g} below max_val {high:g}"
        )
    return OutputRequest(description, output, scheme_name, rate, low, high)


def _discrete_request(manager: Any, description: host.Description, output: Output) -> OutputRequest:
    scheme_name = str(description.get("scheme") or description["id"])
    given: Any = description.get("classes") or None
    if host.describe(description)[0] == "db":
        scheme = host.database_scheme(manager, description)
        scheme_name, given = scheme.name, scheme.classes
    try:
        named = given and {
            str(int(key)): {"name": value} if isinstance(value, str) else {**value, "name": str(value["name"])}
            for key, value in given.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        example = {"0": {"name": next(iter(output.classes), "some class")}}
        raise RequestError(
            f"output {description['id']!r}: classes must be numbers with names, such as {json.dumps(example)}"
        ) from None
    request = OutputRequest(description, output, scheme_name, scheme_classes=named)
    return request.with_classes(output.classes) if output.classes else request


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
