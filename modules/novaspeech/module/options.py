"""A module's options: defaults, types, choices, and what is wrong with those of a request."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import Self

from novaspeech.errors import OptionError, quoted
from novaspeech.times import milliseconds

if TYPE_CHECKING:  # a module's options are read often, and often without what computes
    from novaspeech.inference.engine import Inference
    from novaspeech.models.compute import Compute


class Channel:
    """The kind of an option that is "mix" or the number of a channel."""


def option(
    default: int | float | str | bool | None,
    *,
    text: str,
    kind: type | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    file: bool = False,
    unit: str = "",
    outputs: tuple[str, ...] = (),
) -> Any:
    """A field of an `Options` class.

    Args:
        default: value when the request does not give one; None if it depends on the model, and stands empty in forms.
        text: what it does, one line for people.
        kind: the option's type; left out, it is that of the default.
        minimum, maximum: the range allowed, both ends included (numbers only).
        choices: the strings allowed; empty allows any.
        file: whether it may name a file or folder, on whose content results depend.
        unit: of a time: "s" or "ms"; texts as "2s" or "1:05" are then understood, too.
        outputs: ids of those whose results depend on it; empty is all.
    """
    limits = {"minimum": minimum, "maximum": maximum, "choices": choices, "unit": unit, "outputs": outputs}
    return dataclasses.field(
        default=default, metadata={"text": text, "kind": kind or type(default), "file": file, **limits}
    )


@dataclass(frozen=True)
class Need:
    """Something that an output cannot do without: an option's value, or in its place a further input.

    Attributes:
        option: the option's name.
        example: a value of it, for messages.
        input: id of the input; "" if none does.
    """

    option: str
    example: str
    input: str = ""


@dataclass(frozen=True)
class Options:
    """Options of every module; a module's own class adds fields made with `option`, or defines one anew.

    Attributes:
        without: names of inherited options that the module does not have.
    """

    without: ClassVar[frozenset[str]] = frozenset()

    model: str = option("", text="Hub id or folder of the model", file=True)
    channel: str | int = option(
        "mix", text="what is heard of a recording: mix, the mean of its channels, or one of them by its number from 1",
        kind=Channel,
    )  # fmt: skip
    where: str = option(
        "all", text="windows with a value: all, or those with sound; the others become gaps", choices=("all", "sound")
    )

    @classmethod
    def fields(cls) -> dict[str, dataclasses.Field[Any]]:
        """Name → field, in the order of NOVA's form: what the module's own class writes first, what all have last."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        written = [inspect.get_annotations(part) for part in cls.__mro__ if issubclass(part, Options)]
        names = itertools.chain.from_iterable(written)
        return {name: fields[name] for name in names if name in fields and name not in cls.without}

    def concerning(self, outputs: Collection[str]) -> dict[str, Any]:
        """Name → value of the options on which the results of some outputs depend."""
        of = {name: entry.metadata["outputs"] for name, entry in self.fields().items()}
        return {name: getattr(self, name) for name in of if not of[name] or set(of[name]) & set(outputs)}

    def needs(self, output: str) -> Need | None:
        """What an output needs besides the recording, with these options; None if nothing."""
        return None

    def applied(self, inference: Inference) -> Inference:
        """An inference as the options want it."""
        return inference

    @classmethod
    def parse(cls, given: object) -> Self:
        """The options of one job, from names and values as the server hands them over, None or "" for none.

        None as a value means the default, and so does "" where the default is None.

        Raises:
            OptionError: no names and values, unknown name, wrong type, value out of range or not among the choices.
        """
        given = {} if given is None or given == "" else given
        if not isinstance(given, Mapping):  # what a server takes from a request's JSON may be anything
            raise OptionError(
                f'the options are {quoted(given)}; names and values are needed, for example {{"channel": 1}} in JSON'
            )
        fields = cls.fields()
        values: dict[str, object] = {}
        for name, value in given.items():
            if not isinstance(name, str) or name not in fields:
                raise OptionError(f"unknown option {quoted(name)}; this module's options are {', '.join(fields)}")
            if value is not None and (value != "" or fields[name].default is not None):
                values[name] = _convert(fields[name], value)
        return cls(**values)  # type: ignore[arg-type]

    @classmethod
    def optstr(cls) -> str:
        """The `optstr` of a trainer file, from which NOVA draws its form."""
        entries = []
        for field in cls.fields().values():
            if field.metadata["choices"]:
                kind, default = "LIST", ",".join(field.metadata["choices"])
            else:
                kind = "BOOL" if field.metadata["kind"] is bool else "STRING"
                default = "" if field.default is None else str(field.default)
            entries.append(f"{{{field.name}:{kind}:{default}}}")
        return ";".join(entries)


@dataclass(frozen=True)
class ComputeOptions(Options):
    """The options of a module that computes with a model: where, in which number format, and how much at once."""

    device: str = option(
        "auto",
        text="where to compute: auto takes CUDA, then MPS, then the CPU",
        choices=("auto", "cpu", "cuda", "mps"),
    )
    precision: str = option(
        "auto",
        text="number format of the model: auto is float32, with TF32 products on CUDA",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    batch_size: int = option(250, text="windows that go through the model at once", minimum=1)

    @property
    def compute(self) -> Compute:
        """Device and number format, see `Compute.of`."""
        from novaspeech.models.compute import Compute

        return Compute.of(self.device, self.precision)

    def applied(self, inference: Inference) -> Inference:
        return replace(super().applied(inference), batch_size=self.batch_size)


def _convert(field: dataclasses.Field[Any], value: object) -> object:
    """`value` as the type of `field`, within its range and choices."""
    kind, low, high, choices = (field.metadata[key] for key in ("kind", "minimum", "maximum", "choices"))
    try:
        if isinstance(value, bool) and kind is not bool:
            raise ValueError
        if isinstance(value, str) and (unit := field.metadata["unit"]):
            value = milliseconds(value, field.name, unit) / (1000 if unit == "s" else 1)
        converted = _KINDS[kind][0](value)
        allowed = (low is None or converted >= low) and (high is None or converted <= high)
    except (KeyError, TypeError, ValueError, OverflowError):  # a number with more digits than a float holds
        allowed = False
    if not allowed or (choices and converted not in choices):
        raise OptionError(f"option {field.name!r} is {quoted(value)}; it must be {_allowed(field)}")
    return converted


def _allowed(field: dataclasses.Field[Any]) -> str:
    if field.metadata["choices"]:
        return "one of " + ", ".join(field.metadata["choices"])
    low, high = field.metadata["minimum"], field.metadata["maximum"]
    noun, more = _KINDS[field.metadata["kind"]][1], ", or a time as 1.5s" if field.metadata["unit"] else ""
    if high is not None:
        return f"{noun} from {low:g} to {high:g}{more}"
    return noun if low is None else f"{noun} of at least {low:g}{more}"


def _to_int(value: object) -> int:
    # NOVA sends whole numbers as numbers, other clients as text; 2.5 is neither.
    if isinstance(value, float) and not value.is_integer():
        raise ValueError
    return int(value)  # type: ignore[call-overload, no-any-return]


def _to_bool(value: object) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    return words[str(value).lower()]


def _to_str(value: object) -> str:
    # A text box that holds only digits arrives as a number; from Python come paths.
    if not isinstance(value, (str, int, float, PurePath)):
        raise ValueError
    return str(value).strip()


def _to_channel(value: object) -> str | int:
    if value == "mix":
        return "mix"
    number = _to_int(value)
    if number < 1:
        raise ValueError
    return number


# How a value becomes one of a kind, and what messages call that kind.
_KINDS: dict[type, tuple[Any, str]] = {
    int: (_to_int, "a whole number"),
    float: (float, "a number"),
    bool: (_to_bool, "True or False"),
    str: (_to_str, "a text"),
    Channel: (_to_channel, "mix, or the number of a channel: 1, 2, …"),
}
