"""What a module can give, and what a request says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from novaspeech.errors import RequestError
from novaspeech.segments import plain_name
from novaspeech.server import host


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
        inputs: ids of the further inputs that it is computed from, where they are given.
    """

    id: str
    data: str = "stream:SSIStream"
    aliases: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    classes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The word "stream" or "annotation"."""
        return self.data.split(":")[0]

    @property
    def subtype(self) -> str:
        """The word after the kind, in small letters: "ssistream", "continuous", "discrete" or "free"."""
        return self.data.split(":")[1].lower()

    def scheme_wanted(self, rate: float) -> str:
        """The scheme that an annotation needs, in words.

        Args:
            rate: of a continuous annotation, in Hz.
        """
        if self.subtype == "continuous":
            return f"a continuous scheme ({rate:g} Hz, from {self.low:g} to {self.high:g})"
        if self.subtype == "free":
            return "a free scheme"
        classes = "class " + ", ".join(map(repr, self.classes)) if self.classes else "name of each keyword as a class"
        return f"a discrete scheme (with the {classes})"


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
        database_rate: Hz, to which the server resamples a continuous annotation in the database.
    """

    description: host.Description
    output: Output
    scheme_name: str = ""
    rate: float | None = None
    low: float = 0.0
    high: float = 1.0
    scheme_classes: Mapping[str, Mapping[str, Any]] | None = None
    class_ids: Mapping[str, int] = field(default_factory=dict)
    database_rate: float | None = None

    @classmethod
    def of_file(cls, output: Output) -> OutputRequest:
        """The request of a file that we choose ourselves, for `output`."""
        return cls({"id": output.id}, output, output.id, low=output.low, high=output.high)

    @property
    def key(self) -> str:
        """The id that the request used, under which the host expects the result."""
        return str(self.description["id"])

    @property
    def rescaled(self) -> str:
        """The line that says so of scores that are stored in another range than the module's; "" if they are not."""
        own = self.output.low, self.output.high
        if self.database_rate is None or (self.low, self.high) == own:
            return ""
        return (
            f"{self.key}: scores from {own[0]:g} to {own[1]:g} are stored as {self.low:g} to {self.high:g}, the range "
            f"of the scheme {self.scheme_name!r}"
        )

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
