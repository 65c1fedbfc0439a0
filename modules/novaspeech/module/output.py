"""Outputs that a module can give, and those that a request names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from novaspeech.errors import RequestError, naming
from novaspeech.module.catalogue import Trainer
from novaspeech.module.options import Options
from novaspeech.segments import plain_name
from novaspeech.server.request import Entry
from novaspeech.wording import Wording

# Scores of a continuous annotation that one of MongoDB's documents holds, which have 16 MiB at most.
MOST_SCORES = 400_000


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
        inputs: ids of the further inputs that it needs.
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
        """The scheme that an annotation needs, in words; `rate` is that of a continuous one, in Hz."""
        if self.subtype == "continuous":
            return f"a continuous scheme ({rate:g} Hz, from {self.low:g} to {self.high:g})"
        if self.subtype == "free":
            return "a free scheme"
        classes = "class " + ", ".join(map(repr, self.classes)) if self.classes else "name of each keyword as a class"
        return f"a discrete scheme (with the {classes})"


def chosen_outputs(
    trainer: Trainer,
    known: Iterable[Output],
    outputs: Collection[str] | None,
    inputs: Collection[str],
    options: Options,
    wording: Wording,
) -> list[Output]:
    """Those of the `known` outputs with these ids or aliases, or this one; None means those that the trainer ticks.

    Raises:
        RequestError: there is no such output or further input, none of the outputs uses an input, or one needs what is
            not given.
    """
    known = list(known)
    by_name = {name: output for output in known for name in (output.id, *output.aliases)}
    ticked = [entry.io_id for entry in trainer.outputs if entry.io_default_active]
    further = [entry.io_id for entry in trainer.inputs[1:]]
    names = ticked if outputs is None else [outputs] if isinstance(outputs, str) else list(outputs)
    for kind, wanted, there in (("output", names, by_name), ("further input", inputs, further)):
        for name in wanted:
            if name not in there:
                listed = ", ".join([output.id for output in known] if kind == "output" else further) or "none"
                raise RequestError(f"{trainer.name} has no {kind} {name!r}; it has {listed}")
    if not names:
        raise RequestError(f"no output is asked for; {trainer.name} has {', '.join(output.id for output in known)}")
    chosen = list({by_name[name].id: by_name[name] for name in names}.values())
    for name in inputs:
        if not any(name in output.inputs for output in chosen):
            users = ", ".join(output.id for output in known if name in output.inputs)
            asked = ", ".join(output.id for output in chosen)
            raise RequestError(f"the input {name!r} is for the outputs {users}, and only {asked} is asked for")
    _check_needs(chosen, inputs, options, wording)
    return chosen


def _check_needs(chosen: Iterable[Output], inputs: Collection[str], options: Options, wording: Wording) -> None:
    for output in chosen:
        need = options.needs(output.id)
        if need and not (getattr(options, need.option) or need.input in inputs):
            what = f"input {need.input!r}" if need.input else f"option {need.option!r}"
            way, name = (wording.input, need.input) if need.input else (wording.option, need.option)
            raise RequestError(
                f"output {output.id!r} needs the {what}: {way(name, need.example)}, or {wording.without(output.id)}"
            )


@dataclass(frozen=True)
class OutputRequest:
    """An output that a request asks for, all that can be wrong with it checked.

    Attributes:
        rate: Hz, if the request names a rate for an annotation in a file.
        low, high: the range that an annotation's scores are to have.
        scheme_classes: of a discrete annotation's scheme, id → attributes, "name" among them; None if the request names
            no scheme, so that the module's classes are numbered as they come.
        database_rate: Hz, to which the server resamples a continuous annotation in the database.
        remark: what the user should know of it; "" if nothing.
    """

    entry: Entry
    output: Output
    scheme_name: str = ""
    rate: float | None = None
    low: float = 0.0
    high: float = 1.0
    scheme_classes: Mapping[str, Mapping[str, Any]] | None = None
    class_ids: Mapping[str, int] = field(default_factory=dict)
    database_rate: float | None = None
    remark: str = ""

    @classmethod
    def of_file(cls, output: Output) -> OutputRequest:
        """The request of a file that we choose ourselves, for `output`."""
        return cls(Entry(output.id), output, output.id, low=output.low, high=output.high)

    @property
    def in_database(self) -> bool:
        """Whether it goes to the database, not to a file."""
        return self.entry.origin == "db"

    def check_count(self, end_ms: int) -> None:
        """Raises RequestError for more scores up to `end_ms` than the database could store, when all is computed."""
        rate = self.database_rate or 0
        count = int(rate * end_ms / 1000)
        if count > MOST_SCORES:
            raise RequestError(
                f"output {self.entry.id!r}: {count} scores at the {rate:g} Hz of its scheme; the database holds "
                f"{MOST_SCORES} at most, {MOST_SCORES / rate / 3600:.1f} h: choose one with a lower rate, or set end"
            )

    def with_classes(self, names: Sequence[str]) -> OutputRequest:
        """A copy for a discrete annotation with these classes; RequestError if its scheme lacks one of them."""
        given = self.scheme_classes
        if given is None:
            given = {str(number): {"name": name} for number, name in enumerate(names)}
        ids = {plain_name(str(attributes["name"])): int(key) for key, attributes in given.items()}
        with naming(f"output {self.entry.id!r}"):
            for place, name in enumerate(names):
                self._check_class(name, names[:place], ids, [str(attributes["name"]) for attributes in given.values()])
        # NOVA-Server writes a class's id only if it is among its attributes.
        classes = {key: {"id": key, **attributes} for key, attributes in given.items()}
        return replace(self, scheme_classes=classes, class_ids={name: ids[plain_name(name)] for name in names})

    def _check_class(self, name: str, before: Sequence[str], ids: Mapping[str, int], there: Sequence[str]) -> None:
        plain = plain_name(name)
        if plain in map(plain_name, before):
            raise RequestError(f"the class {name!r} is there twice, written in different ways")
        if plain not in ids:
            raise RequestError(
                f"its scheme has no class {name!r}, only {', '.join(map(repr, there)) or 'none'}; add it"
            )
        if self.in_database and ids[plain] == len(there):
            # The server takes this id for the class of rest, and drops its labels.
            raise RequestError(
                f"the class {name!r} has the id {len(there)}, which the server keeps for REST; number the scheme's "
                f"classes from 0"
            )
