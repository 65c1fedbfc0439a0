"""Times as people write them: a bare number is seconds, everywhere."""

from collections.abc import Callable

import numpy as np
import pytest

import novaspeech
from novaspeech.command.main import main
from novaspeech.errors import OptionError, RequestError
from novaspeech.server import host
from novaspeech.times import milliseconds
from wav2vec2_sv.options import Wav2Vec2SVOptions


@pytest.mark.parametrize(
    ("time", "ms"),
    [
        (5, 5000), (5.0, 5000), ("5", 5000), ("5.0", 5000), (np.float32(0.04), 40), (0, 0), ("0", 0),
        ("500ms", 500), ("1.5s", 1500), (" 2 s", 2000), ("0.29s", 290), ("2min", 120_000), ("1h", 3_600_000),
        ("1:05", 65_000), ("0:01:05.5", 65_500), ("1:02:03", 3_723_000), (".5", 500),
    ],
)  # fmt: skip
def test_a_bare_number_is_seconds(time: str | float, ms: int) -> None:
    assert milliseconds(time, "end") == ms


@pytest.mark.parametrize("time", ["fast", "", "-1s", -1, True, float("nan"), float("inf"), "1:75", "1:2:3:4", "4ums"])
def test_what_is_no_time(time: str | float) -> None:
    with pytest.raises(RequestError, match="^end is .* it must be a time, as 1.5 or 1.5s, 40ms or 1:05$"):
        milliseconds(time, "end")


def test_python_and_the_command_alike(speech: Callable[..., object], models: dict[str, object]) -> None:
    recording = str(speech("a.wav"))
    model = novaspeech.load("emow2v", model=str(models["emow2v"]), stride=1, left=0.5)
    expected = [[0, 0.04], [1, 1.04]]
    assert model(recording, ["arousal"], end=2).times.tolist() == expected
    assert model(recording, ["arousal"], end="0:02").times.tolist() == expected
    words = ["run", "emow2v", recording, "--set", f"model={models['emow2v']}", "--output", "arousal"]
    assert main([*words, "--stride", "1", "--left", "0.5", "--end", "0:02", "--format", "npz"]) == 0
    assert np.load(recording.replace(".wav", ".emow2v.arousal.npz"))["times"].tolist() == expected


@pytest.mark.parametrize(("given", "expected"), [("2s", 2000), ("1:05", 65_000), ("500ms", 500), (700, 700), ("8", 8)])
def test_an_option_takes_times_and_a_bare_number_in_its_own_unit(given: object, expected: int) -> None:
    assert Wav2Vec2SVOptions.parse({"min_duration": given}).min_duration == expected


def test_an_option_in_seconds(models: dict[str, object]) -> None:
    for chunk in ("20", "20s", "0:20", "20000ms", 20):
        model = novaspeech.load("emow2v", model=str(models["emow2v"]), chunk=chunk, overlap="500ms")
        assert (model.processor.options.chunk, model.processor.options.overlap) == (20, 0.5)  # type: ignore[attr-defined]
    with pytest.raises(OptionError, match="option 'chunk' is '1:75'; it must be a number from 1 to 300, or a time"):
        novaspeech.load("emow2v", chunk="1:75")


def test_a_servers_whole_number_stays_milliseconds() -> None:
    assert [host.parse_time(time, "frame") for time in (40, "40", 0.5, "1:05")] == [40, 40, 500, 65_000]


def test_a_stride_beyond_the_frame_is_said_once(speech: Callable[..., object], models: dict[str, object]) -> None:
    said: list[str] = []
    novaspeech.load("emow2v", model=str(models["emow2v"]), stride="200ms", log=said.append)(speech("a.wav"))  # type: ignore[arg-type]
    assert [line for line in said if "160 ms" in line] == [
        "a: each row stands for 40 ms, and there is one every 200 ms: of the 160 ms between them nothing is said"
    ]
