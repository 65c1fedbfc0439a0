from __future__ import annotations

import numpy as np
import pytest
import torch

from byols.base import MELS, SAMPLE_RATE, Network
from byols.encoder import BYOLSEncoder
from byols.log_mel import mean_and_deviation
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.sources import ArraySource
from novaspeech.errors import ModelError, RecordingError
from novaspeech.inference.engine import Inference
from novaspeech.models.compute import Compute
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
    return Recording("noise.wav", ArraySource(samples, SAMPLE_RATE))


def spectrogram(encoder: BYOLSEncoder, recording: Recording) -> torch.Tensor:
    """(64, frames) of the whole recording at once."""
    return encoder.log_mel.of_windows(torch.from_numpy(np.concatenate(list(recording.blocks(SAMPLE_RATE))))[None])[0]


def test_it_is_prepared_once_for_each_recording() -> None:
    encoder, loud, soft, said = BYOLSEncoder(Rows()), noise(), noise(0.001), []
    prepared = encoder.prepared_for(loud, said.append)
    assert prepared.prepared_for(loud, said.append) is prepared
    Inference(prepared, log=said.append).windows(loud, WindowGrid.fit(100, 100, 0, 0, 1000), ["embeddings"])
    assert len(said) == 1
    other = prepared.prepared_for(soft, said.append)
    assert said == [
        f"log-mel spectrogram: mean {one.mean:.4f}, standard deviation {one.deviation:.4f}" for one in (prepared, other)
    ]
    for one, recording in ((prepared, loud), (other, soft)):
        expected = mean_and_deviation([spectrogram(encoder, recording)])
        assert (one.mean, one.deviation, one.unusable) == pytest.approx(expected, rel=1e-5)
    assert prepared.mean - other.mean > 5
    assert (encoder.mean, encoder.deviation, encoder.unusable) == (0, 1, 0), "the next recording must not meet these"


def test_a_scene_is_of_the_recording_that_the_encoder_is_prepared_for() -> None:
    recording, said = noise(), []
    encoder = BYOLSEncoder(Rows()).prepared_for(recording, said.append)
    values = spectrogram(encoder, recording)
    values = (values - values.mean()) / values.std()
    found = encoder.scene(recording, said.append)
    assert found.dtype == np.float32
    assert_close(found[None], (values.mean(dim=1) + values.amax(dim=1)).numpy()[None])
    assert len(said) == 1


def test_the_scene_of_a_recording_with_nan_is_zeros_and_a_line() -> None:
    recording, said = noise(0.1, 8000), []
    found = BYOLSEncoder(Rows()).prepared_for(recording, said.append).scene(recording, said.append)
    np.testing.assert_array_equal(found, np.zeros(64, np.float32))
    assert said[1:] == ["noise.wav holds NaN or infinite samples: zeros in scene, which is of the whole recording"]


def test_an_absurd_sample_does_not_get_into_the_statistics() -> None:
    samples = np.full(SAMPLE_RATE, 0.1, np.float32)
    samples[8000] = 1e15
    with pytest.raises(RecordingError, match=r"^lesson\.wav holds the number 1e\+15 at 0\.500 s"):
        BYOLSEncoder(Rows()).prepared_for(Recording("lesson.wav", ArraySource(samples, SAMPLE_RATE)), print)


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [(torch.float32, "the weights may be damaged"), (torch.bfloat16, "use precision=float32")],
)
def test_numbers_of_the_whole_that_are_none_are_an_error(dtype: torch.dtype, remedy: str) -> None:
    recording = noise()
    encoder = BYOLSEncoder(Overflowing(), Compute(dtype=dtype)).prepared_for(recording, lambda line: None)
    with pytest.raises(ModelError, match=f"infinite values for intact audio of the whole recording; {remedy}"):
        encoder.scene(recording, print)
