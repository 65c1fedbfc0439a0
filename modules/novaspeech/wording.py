"""The language of messages: what they advise is said as it is done where they are read."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """How those who ask for results give what is missing.

    Attributes:
        option: name and value → words for setting an option.
        input: id and file → words for giving a further input.
        without: id → words for doing without an output.
    """

    option: Callable[[str, str], str]
    input: Callable[[str, str], str]
    without: Callable[[str], str]


NOVA = Wording(
    lambda name, value: f"write {value} in the option {name!r}",
    lambda name, file: f"choose a stream for {name}",
    lambda output: f"untick {output}",
)
PYTHON = Wording(
    lambda name, value: f"load the module with {name}={value!r}",
    lambda name, file: f"pass inputs={{{name!r}: {file!r}}}",
    lambda output: "choose other outputs",
)
COMMAND = Wording(
    lambda name, value: f"add --set {shlex.quote(f'{name}={value}')}",
    lambda name, file: f"add --input {shlex.quote(f'{name}={file}')}",
    lambda output: "choose other outputs with --output",
)

_spoken: ContextVar[Wording] = ContextVar("spoken", default=NOVA)


@contextmanager
def speaking(wording: Wording) -> Iterator[None]:
    """Makes `advice` speak, inside, as whoever asked reads it."""
    before = _spoken.set(wording)
    try:
        yield
    finally:
        _spoken.reset(before)


def advice(option: str, value: str) -> str:
    """Words for setting an option, for code that does not know who asked."""
    return _spoken.get().option(option, value)
