from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor

from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import WindowBatch
from novaspeech.models.fast.filter_banks import FilterBanks
from tests.conftest import SPEECH
from tests.novaspeech.audio.sounds import signal_of

CPU = torch.device("cpu")


def signals() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    speech = signal_of(Recording.open(SPEECH))[:80000]
    return {
        "speech": speech,
        "quiet speech": speech * np.float32(1e-4),
        "noise": random.standard_normal(80000).astype(np.float32),
        "a click in digital silence": np.eye(1, 80000, 40000, dtype=np.float32)[0],
        "digital silence": np.zeros(80000, np.float32),
        "an offset": np.full(80000, 0.7, np.float32),
        "a tone on an offset": (0.5 + 1e-3 * np.sin(np.arange(80000))).astype(np.float32),
    }


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert (found - expected).abs().max() <= 1e-5
    assert (found == expected).float().mean() > 0.99


@pytest.mark.parametrize("name", signals())
@pytest.mark.parametrize(
    ("length_ms", "hop_ms"),
    [(1000, 40), (1000, 33), (1000, 250), (993, 33), (35, 40), (45, 10), (55, 7), (2500, 100), (3000, 37)],
)
def test_equal_to_the_extractor(name: str, length_ms: int, hop_ms: int) -> None:
    length, hop = 16 * length_ms, 16 * hop_ms
    count = min(20, (80000 - length) // hop + 1)
    batch = WindowBatch(torch.from_numpy(signals()[name][: (count - 1) * hop + length]), length, hop)
    extractor = SeamlessM4TFeatureExtractor(padding_value=1)
    expected = extractor(list(batch.windows.numpy()), sampling_rate=16000, return_tensors="pt")
    valid = int(expected["attention_mask"][0].sum())  # an odd last frame is padded and masked
    found = FilterBanks(extractor, CPU)(batch)
    assert found.dtype == torch.float32
    assert found.shape == (count, valid, 160)
    # Bit for bit where this was written; another machine's FFT may round a number in a million the other way.
    assert_same(found, expected["input_features"][:, :valid])


def test_parameters_are_those_of_the_models_own_file(tmp_path: Path) -> None:
    SeamlessM4TFeatureExtractor(feature_size=40, num_mel_bins=40, stride=3, sampling_rate=8000).save_pretrained(
        tmp_path
    )
    extractor = SeamlessM4TFeatureExtractor.from_pretrained(tmp_path)
    filter_banks = FilterBanks(extractor, CPU)
    signal = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    # Its pad_to_multiple_of is 2 by default, whatever its stride.
    expected = extractor(signal, sampling_rate=8000, return_tensors="pt", pad_to_multiple_of=1)["input_features"]
    assert filter_banks.sampling_rate == 8000
    assert_same(filter_banks(WindowBatch(torch.from_numpy(signal), 8000, 8000)), expected)
