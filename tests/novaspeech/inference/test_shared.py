"""Short recordings that share passes have the numbers of those that are run alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novaspeech import load
from novaspeech.api import Model
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import NovaspeechError
from novaspeech.result import Result

RATE = 16_000


@pytest.fixture(scope="module")
def clips() -> list[Any]:
    """Of 2 s, of other lengths, of another rate, with NaN, too short, missing, long, silent."""
    noise = np.random.default_rng(0).standard_normal(40 * RATE).astype(np.float32) / 10
    spoilt = noise[: RATE * 2].copy()
    spoilt[RATE : RATE + 100] = np.nan
    return [
        *((noise[start : start + 2 * RATE], RATE) for start in range(0, 5 * RATE, RATE)),
        (noise[: 2 * RATE + 57], RATE),
        (noise[: int(1.3 * RATE)], RATE),
        (noise[: 2 * 44100], 44100),
        (spoilt, RATE),
        (noise[: RATE // 100], RATE),
        "nowhere.wav",
        (noise, RATE),
        (np.zeros(2 * RATE, np.float32), RATE),
    ]


def alone(model: Model, clip: Any, outputs: list[str] | None) -> Result | NovaspeechError:
    try:
        return model(clip, outputs)
    except NovaspeechError as error:
        return error


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("emow2v", {"context": "recording"}),
        ("emow2v", {"frame": "500ms", "left": 0}),
        ("w2v_bert_2", {"context": "recording", "stride": "200ms"}),
        ("w2v_bert_2", {"frame": "1s", "left": 0, "batch_size": 7}),
        ("speech_encoder", {"context": "recording", "stride": "200ms"}),
        ("byols", {"stride": "500ms"}),
        ("wav2vec2_sv", {"frame": "1s", "left": 0, "right": 0}),
    ],
    ids=str,
)
def test_the_numbers_are_those_of_each_alone(
    module: str, options: dict[str, Any], models: dict[str, Path], clips: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(module, model=str(models[module]), **options)
    shared: list[int] = []
    joined = WindowBatch.joined

    def spied(batches: Sequence[WindowBatch]) -> WindowBatch:
        shared.append(len(batches))
        return joined(batches)

    monkeypatch.setattr(WindowBatch, "joined", spied)
    outputs = ["embeddings"] if module == "wav2vec2_sv" else None
    found = model.many(clips, outputs)
    assert max(shared) >= 3
    for clip, result in zip(clips, found, strict=True):
        expected = alone(model, clip, outputs)
        assert type(result) is type(expected)
        if isinstance(result, Result) and isinstance(expected, Result):
            np.testing.assert_array_equal(result.usable, expected.usable)
            for name in expected:
                np.testing.assert_allclose(result[name], expected[name], atol=1e-4)
        else:
            assert str(result) == str(expected)


def test_one_recording_alone_has_its_very_bytes(small_emow2v: Path, clips: list[Any]) -> None:
    model = load("emow2v", model=str(small_emow2v), context="recording")
    [result] = model.many(clips[:1])
    assert isinstance(result, Result)
    np.testing.assert_array_equal(result["embedding"], model(clips[0])["embedding"])
