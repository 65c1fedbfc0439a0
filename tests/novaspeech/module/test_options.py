from dataclasses import dataclass

import pytest

from novaspeech.errors import OptionError
from novaspeech.module.backend_options import FrameOptions
from novaspeech.module.options import ComputeOptions, Options, option


@dataclass(frozen=True)
class Example(ComputeOptions):
    model: str = option("owner/name", text="a model")
    threshold: float = option(0.5, text="a number", minimum=-1, maximum=1)
    loud: bool = option(False, text="a switch")


def test_defaults() -> None:
    for nothing in (None, {}, {"batch_size": None, "model": None}):
        assert Example.parse(nothing) == Example(model="owner/name", batch_size=250, threshold=0.5, loud=False)


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
        ("channel", "mix", "mix"),
        ("channel", "2", 2),
        ("channel", 1, 1),
        ("channel", " 3", 3),
        ("where", "sound", "sound"),
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
        ("channel", 0, "mix, or the number of a channel: 1, 2, …"),
        ("channel", "-1", "mix, or the number of a channel: 1, 2, …"),
        ("channel", 1.5, "mix, or the number of a channel: 1, 2, …"),
        ("channel", True, "mix, or the number of a channel: 1, 2, …"),
        ("channel", "left", "mix, or the number of a channel: 1, 2, …"),
        ("where", "speech", "one of all, sound"),
        ("device", "tpu", "one of auto, cpu, cuda, mps"),
        ("precision", "float64", "one of auto, float32, bfloat16, float16"),
    ],
)
def test_wrong_values_are_answered_with_what_is_allowed(name: str, value: object, allowed: str) -> None:
    with pytest.raises(OptionError) as caught:
        Example.parse({name: value})
    assert f"option {name!r} is {value!r}; it must be {allowed}" in str(caught.value)


def test_an_option_whose_default_depends_on_the_model_may_be_left_empty() -> None:
    @dataclass(frozen=True)
    class Other(Options):
        threshold: float | None = option(None, kind=float, text="a number", minimum=-1, maximum=1)

    assert Other.parse({"threshold": ""}).threshold is None
    assert Other.parse({"threshold": "-0.25"}).threshold == -0.25
    assert "{threshold:STRING:}" in Other.optstr()
    with pytest.raises(OptionError, match="it must be a number from -1 to 1"):
        Other.parse({"threshold": "high"})


def test_unknown_option_lists_the_known() -> None:
    with pytest.raises(OptionError, match="unknown option 'speed'.*model, threshold, loud, device, precision"):
        Example.parse({"speed": 2})


def test_a_module_that_computes_with_no_model_speaks_of_none() -> None:
    assert not {"device", "precision", "batch_size"} & Options.fields().keys()
    with pytest.raises(OptionError, match=f"unknown option 'batch_size'; .* are {', '.join(Options.fields())}$"):
        Options.parse({"batch_size": 1})


@pytest.mark.parametrize("given", [[], ["model"], [["model", "a"]], 0, 7, False, "model=a", 1.5], ids=repr)
def test_options_that_are_no_names_and_values(given: object) -> None:
    with pytest.raises(OptionError) as caught:
        Example.parse(given)
    assert str(caught.value) == (
        f'the options are {given!r}; names and values are needed, for example {{"channel": 1}} in JSON'
    )


@pytest.mark.parametrize("given", [{"device": "x" * 10**6}, {"x" * 10**6: 1}, "x" * 10**6, {"model": ["\n" * 10**6]}])
def test_of_what_is_quoted_two_hundred_characters_are_enough(given: object) -> None:
    with pytest.raises(OptionError) as caught:
        Example.parse(given)
    message = str(caught.value)
    assert len(message) < 400
    assert "…" in message
    assert "\n" not in message


def test_chunks_that_are_mostly_overlap() -> None:
    for chunk, overlap in ((9, 3), (1, 0), (300, 100)):
        assert FrameOptions.parse({"chunk": chunk, "overlap": overlap}).chunk == chunk
    for chunk, overlap in ((8.9, 3), (300, 100.1)):
        with pytest.raises(
            OptionError, match=rf"^option 'chunk' is {chunk}, less than three times 'overlap', {overlap};"
        ):
            FrameOptions.parse({"chunk": chunk, "overlap": overlap})
