from __future__ import annotations

from dataclasses import dataclass

import pytest

from novaspeech.errors import OptionError
from novaspeech.server.options import Options, option


@dataclass(frozen=True)
class Example(Options):
    model: str = option("owner/name", text="a model")
    threshold: float = option(0.5, text="a number", minimum=-1, maximum=1)
    loud: bool = option(False, text="a switch")


def test_defaults() -> None:
    for nothing in (None, {}, {"batch_size": None, "model": None}):
        assert Example.parse(nothing) == Example("owner/name", "auto", "auto", 250, 0.5, False)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("batch_size", 7, 7),
        ("batch_size", "7", 7),
        ("batch_size", 7.0, 7),
        ("model", 123, "123"),
        ("model", " a/b ", "a/b"),
        ("threshold", "-0.25", -0.25),
        ("threshold", 1, 1.0),
        ("loud", "True", True),
        ("loud", False, False),
        ("device", "cpu", "cpu"),
    ],
)
def test_values_as_the_servers_send_them(name: str, value: object, expected: object) -> None:
    assert getattr(Example.parse({name: value}), name) == expected


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("batch_size", 0, "a whole number of at least 1"),
        ("batch_size", -3, "a whole number of at least 1"),
        ("batch_size", "many", "a whole number of at least 1"),
        ("batch_size", 2.5, "a whole number"),
        ("batch_size", True, "a whole number"),
        ("batch_size", [1], "a whole number"),
        ("threshold", 1.01, "a number from -1 to 1"),
        ("threshold", float("nan"), "a number from -1 to 1"),
        ("loud", "perhaps", "True or False"),
        ("model", {}, "a text"),
        ("device", "tpu", "one of auto, cpu, cuda, mps"),
        ("precision", "float64", "one of auto, float32, bfloat16, float16"),
    ],
)
def test_wrong_values_are_answered_with_what_is_allowed(name: str, value: object, allowed: str) -> None:
    with pytest.raises(OptionError) as caught:
        Example.parse({name: value})
    assert f"option {name!r} is {value!r}; it must be {allowed}" in str(caught.value)


def test_unknown_option_lists_the_known() -> None:
    with pytest.raises(OptionError, match="unknown option 'speed'.*model, threshold, loud, device, precision"):
        Example.parse({"speed": 2})


def test_novas_form_shows_the_modules_own_options_first() -> None:
    assert Example.optstr() == (
        "{model:STRING:owner/name};{threshold:STRING:0.5};{loud:BOOL:False};{device:LIST:auto,cpu,cuda,mps};"
        "{precision:LIST:auto,float32,bfloat16,float16};{batch_size:STRING:250}"
    )
