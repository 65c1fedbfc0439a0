from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import byols
from byols.base import CHUNK_FRAMES
from byols.cvt import CvT
from byols.network import CLSTM, NETWORKS, build
from novaspeech.errors import OptionError, RecordingError
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


def test_an_unknown_name() -> None:
    with pytest.raises(OptionError, match="no encoder 'resnet'; there are default, resnetish34, cvt, clstm"):
        build("resnet")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("frames", ["fewest", 64, 101])
def test_what_inference_computes_is_the_same(checkpoints: dict[str, Path], name: str, frames: int | str) -> None:
    network = byols.load_model(checkpoints[name])
    count = max(network.min_frames, 4) if frames == "fewest" else int(frames)
    spectrograms = torch.randn(5, 1, 64, count, generator=torch.Generator().manual_seed(1))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        assert_close(network.for_inference()(spectrograms).numpy(), network(spectrograms).numpy(), 1e-5)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_the_lstm_is_torchs_bidirectional_one(checkpoints: dict[str, Path]) -> None:
    network = byols.load_model(checkpoints["clstm"])
    assert isinstance(network, CLSTM)
    spectrograms = torch.randn(3, 1, 64, 101, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        both_ways = network.bilstm(network.rows(spectrograms))[0]
        expected = network.fc_final(both_ways[:, -1])
        assert_close(network(spectrograms).numpy(), expected.numpy(), 1e-6)


@pytest.mark.parametrize("name", ["default", "resnetish34", "clstm"])
def test_a_row_sees_no_frame_beyond_the_margin_but_almost_all_within(name: str) -> None:
    """What a row sees is where its gradient is not 0. Positive weights let no path vanish."""
    network = build(name).eval().double()
    for value in network.state_dict().values():
        value.copy_(value.abs() / value[0].numel() if value.ndim == 4 else value)
    spectrogram = torch.rand(1, 1, 64, 960, dtype=torch.float64, requires_grad=True)
    row = 480 // network.stride
    network.rows(spectrogram)[0, row].sum().backward()
    assert spectrogram.grad is not None
    seen = np.flatnonzero(spectrogram.grad[0, 0].any(dim=0).numpy())
    assert network.margin is not None
    before, after = 480 - seen[0], seen[-1] + 1 - 480 - network.stride
    assert (network.margin - 2) * network.stride < max(before, after) <= network.margin * network.stride


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("frames", [CHUNK_FRAMES + 515, 2 * CHUNK_FRAMES + 3])
def test_a_scene_in_pieces_is_that_of_the_whole(checkpoints: dict[str, Path], name: str, frames: int) -> None:
    network = byols.load_model(checkpoints[name])
    spectrogram = torch.randn(64, frames, generator=torch.Generator().manual_seed(frames))
    # Louder and softer stretches, so that a row that is missed or counted twice is seen.
    spectrogram = spectrogram * torch.linspace(0.2, 3, frames).sin() + torch.linspace(-2, 2, frames)
    with torch.no_grad():
        whole = network(spectrogram[None, None])[0].numpy()
        assert_close(network.scene(spectrogram.split(500, dim=1)).numpy(), whole, 1e-5)
        assert_close(network.scene(iter([spectrogram])).numpy(), whole, 1e-5)


def test_attention_holds_no_matrix_of_all_scores() -> None:
    """torch computes it piece by piece only where a head's values lie side by side."""
    attention = CvT().layers[0][2].layers[0][0].fn
    for memory in (torch.contiguous_format, torch.channels_last):
        features = torch.zeros(1, 64, 16, 30).contiguous(memory_format=memory)
        assert attention._by_head(features).stride(-1) == 1


def test_a_scene_of_too_few_frames(checkpoints: dict[str, Path]) -> None:
    network = byols.load_model(checkpoints["clstm"])
    with pytest.raises(RecordingError, match="90 ms of audio are too few for a scene .* needs 100 ms; untick scene"):
        network.scene([torch.zeros(64, 5), torch.zeros(64, 4)])
