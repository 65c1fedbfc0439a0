from __future__ import annotations

import numpy as np
import pytest
import torch

from byols.base import MELS, SAMPLE_RATE, Network
from byols.encoder import BYOLSEncoder
from byols.log_mel import mean_and_deviation
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.errors import ModelError
from novaspeech.inference.engine import Inference
from novaspeech.models.compute import Compute
from tests.novaspeech.audio.sounds import signal_of
from tests.references import assert_close


class Rows(Network):
    """Its rows are the spectrogram's frames. A stand-in for the networks, so that scenes can be written down."""

    scene_embedding_size = timestamp_embedding_size = MELS
    stride, margin = 1, 0

    def rows(self, log_mel: torch.Tensor) -> torch.Tensor:
        return log_mel[:, 0].transpose(1, 2)


class Overflowing(Rows):
    def rows(self, log_mel: torch.Tensor) -> torch.Tensor:
        return super().rows(log_mel) / 0


def noise(loudness: float = 0.1, *bad: int) -> Recording:
    samples = np.random.default_rng(0).normal(0, loudness, SAMPLE_RATE).astype(np.float32)
    samples[list(bad)] = np.nan
    return Recording.of_samples(samples, SAMPLE_RATE, "noise.wav")


def spectrogram(encoder: BYOLSEncoder, recording: Recording) -> torch.Tensor:
    """(64, frames) of the whole recording at once."""
    return encoder.log_mel.of_windows(torch.from_numpy(signal_of(recording))[None])[0]


def test_a_recordings_statistics_are_found_once_and_no_other_meets_them() -> None:
    encoder, loud, soft, said = BYOLSEncoder(Rows()), noise(), noise(0.001), []
    found = [encoder.statistics_of(recording, said.append) for recording in (loud, loud, soft)]
    assert found[0] is found[1]
    for statistics, recording, line in ((found[0], loud, said[0]), (found[2], soft, said[1])):
        expected = mean_and_deviation([spectrogram(encoder, recording)])
        assert [float(one) for one in statistics] == pytest.approx(expected, rel=1e-5)
        assert line == f"log-mel spectrogram: mean {expected[0]:.4f}, standard deviation {expected[1]:.4f}"
    assert float(found[0][0] - found[2][0]) > 5
    Inference(encoder, log=said.append).windows(soft, WindowGrid.fit(100, 100, 0, 0, 1000), ["embeddings"])
    assert len(said) == 2


def test_a_scene_is_of_its_recording() -> None:
    recording, said, encoder = noise(), [], BYOLSEncoder(Rows())
    values = spectrogram(encoder, recording)
    values = (values - values.mean()) / values.std()
    found = encoder.scene(recording, said.append)
    assert found.dtype == np.float32
    assert_close(found[None], (values.mean(dim=1) + values.amax(dim=1)).numpy()[None])
    assert len(said) == 1


def test_the_scene_of_a_recording_with_nan_is_zeros_and_a_line() -> None:
    recording, said = noise(0.1, 8000), []
    found = BYOLSEncoder(Rows()).scene(recording, said.append)
    np.testing.assert_array_equal(found, np.zeros(64, np.float32))
    assert said[1:] == ["noise.wav holds NaN or infinite samples: zeros in scene, which is of the whole recording"]


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [(torch.float32, "the weights may be damaged"), (torch.bfloat16, "use precision=float32")],
)
def test_numbers_of_the_whole_that_are_none_are_an_error(dtype: torch.dtype, remedy: str) -> None:
    recording = noise()
    encoder = BYOLSEncoder(Overflowing(), Compute(dtype=dtype))
    with pytest.raises(ModelError, match=f"infinite values for intact audio of the whole recording; {remedy}"):
        encoder.scene(recording, lambda line: None)
