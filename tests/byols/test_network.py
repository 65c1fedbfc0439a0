from pathlib import Path

import numpy as np
import pytest
import torch

import byols
from byols.base import CHUNK_FRAMES, MELS, SAMPLE_RATE, Network
from byols.encoder import BYOLSEncoder
from byols.network import NETWORKS, build
from byols.options import BYOLSOptions
from novaspeech.audio.recording import Recording
from novaspeech.errors import ModelError, RecordingError
from novaspeech.models.compute import Compute
from tests.references import assert_close

GOLDEN = 1e-4  # of the largest value


@pytest.mark.parametrize("name", NETWORKS)
def test_the_references_scene_embeddings(
    golden: dict[str, np.ndarray], checkpoints: dict[str, Path], name: str
) -> None:
    model = byols.load_model(checkpoints[name], name)
    found = byols.get_scene_embeddings(torch.from_numpy(golden["audio"]), model)
    assert found.dtype == torch.float32
    assert_close(found.numpy(), golden[f"{name}_scene"], GOLDEN)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_references_timestamp_embeddings(
    golden: dict[str, np.ndarray], checkpoints: dict[str, Path], name: str
) -> None:
    model = byols.load_model(checkpoints[name], name)
    found, times = byols.get_timestamp_embeddings(torch.from_numpy(golden["audio"]), model, 1000, 50)
    np.testing.assert_array_equal(times.numpy(), golden[f"{name}_times_ms"])
    assert_close(found[:, ::6].numpy(), golden[f"{name}_timestamp"], GOLDEN)


@pytest.mark.parametrize(("name", "size"), [("default", 2048), ("resnetish34", 2048), ("cvt", 2048), ("clstm", 1024)])
def test_attributes(name: str, size: int) -> None:
    network = build(name)
    assert (network.sample_rate, network.scene_embedding_size, network.timestamp_embedding_size) == (16000, size, size)
    assert network.eval()(torch.zeros(2, 1, 64, 101)).shape == (2, size)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("frames", [2 * CHUNK_FRAMES + 3])
def test_a_scene_in_pieces_is_that_of_the_whole(checkpoints: dict[str, Path], name: str, frames: int) -> None:
    network = byols.load_model(checkpoints[name])
    spectrogram = torch.randn(64, frames, generator=torch.Generator().manual_seed(frames))
    # Louder and softer stretches, so that a row that is missed or counted twice is seen.
    spectrogram = spectrogram * torch.linspace(0.2, 3, frames).sin() + torch.linspace(-2, 2, frames)
    with torch.no_grad():
        whole = network(spectrogram[None, None])[0].numpy()
        assert_close(network.scene(spectrogram.split(500, dim=1)).numpy(), whole, 1e-5)
        assert_close(network.scene(iter([spectrogram])).numpy(), whole, 1e-5)


def test_the_option_names_the_networks() -> None:
    assert BYOLSOptions.fields()["encoder"].metadata["choices"] == tuple(NETWORKS)


def test_a_scene_of_too_few_frames(checkpoints: dict[str, Path]) -> None:
    network = byols.load_model(checkpoints["clstm"])
    with pytest.raises(RecordingError, match="90 ms of audio are too few for a scene .* needs 100 ms$"):
        network.scene([torch.zeros(64, 5), torch.zeros(64, 4)])


class Overflowing(Network):
    """Divides each frame by nothing. A stand-in for weights that are damaged."""

    scene_embedding_size = timestamp_embedding_size = MELS
    stride, margin = 1, 0

    def rows(self, log_mel: torch.Tensor) -> torch.Tensor:
        return log_mel[:, 0].transpose(1, 2) / 0


@pytest.mark.parametrize(
    ("dtype", "remedy"), [(torch.float32, "the weights may be damaged"), (torch.bfloat16, "use precision=float32")]
)
def test_numbers_of_the_whole_that_are_none_are_an_error(dtype: torch.dtype, remedy: str) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    encoder = BYOLSEncoder(Overflowing(), Compute(dtype=dtype))
    with pytest.raises(ModelError, match=f"infinite values for intact audio of the whole recording; {remedy}"):
        encoder.scene(Recording.of_samples(samples, SAMPLE_RATE, "noise.wav"), lambda line: None)
