from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from novaspeech.models.wav2vec2 import ChannelsLastConvolutions, fast_convolutions, frame_geometry, standardise
from tests.references import assert_close


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6, 0.0])
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_standardise_equals_the_extractor(scale: float, offset: float) -> None:
    windows = (np.random.default_rng(0).standard_normal((4, 16000)) * scale + offset).astype(np.float32)
    expected = Wav2Vec2FeatureExtractor()(list(windows), sampling_rate=16000, return_tensors="np").input_values
    # A constant offset leaves rounding only, which the extractor's float32 mean does not take off either.
    np.testing.assert_allclose(standardise(torch.from_numpy(windows)).numpy(), np.stack(expected), atol=2e-4)


def test_the_geometry_of_the_published_models() -> None:
    assert frame_geometry(Wav2Vec2Config()) == (320, 400)
    assert frame_geometry(Wav2Vec2Config(conv_kernel=(4, 3), conv_stride=(2, 3), conv_dim=(8, 8))) == (6, 8)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"conv_bias": False},
        {"conv_kernel": (10, 3, 2), "conv_stride": (5, 2, 2), "conv_dim": (8, 6, 4)},
        {"conv_kernel": (9, 7), "conv_stride": (2, 3), "conv_dim": (8, 6)},  # a kernel of more than two strides
    ],
    ids=str,
)
@pytest.mark.parametrize("norm", ["layer", "group"])
@pytest.mark.parametrize("samples", [400, 719, 720, 15999, 16000, 16001])
def test_channels_last_convolutions_equal_those_of_transformers(
    shape: dict[str, object], norm: str, samples: int
) -> None:
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        **{"conv_dim": (16,) * 7, "conv_bias": True} | shape, feat_extract_norm=norm, hidden_size=32,
        num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    extractor = Wav2Vec2Model(config).eval().feature_extractor
    ours = ChannelsLastConvolutions(extractor, config)
    windows = torch.randn(7, samples)
    with torch.inference_mode():
        expected = extractor(windows)
        for chunk in (None, 1, 40000):
            ours.chunk_samples = chunk
            assert_close(ours(windows).numpy(), expected.numpy(), 1e-5)


@pytest.mark.parametrize(
    ("config", "fast"),
    [
        ({"feat_extract_norm": "layer"}, True),
        ({"feat_extract_norm": "group"}, True),
        ({"feat_extract_norm": "layer", "conv_kernel": (10, 2), "conv_stride": (5, 3), "conv_dim": (8, 8)}, False),
    ],
)
def test_what_they_cannot_compute_is_left_to_transformers(config: dict[str, object], fast: bool) -> None:
    small = Wav2Vec2Config(
        **{"conv_dim": (8,) * 7} | config, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    extractor = Wav2Vec2Model(small).feature_extractor
    assert isinstance(fast_convolutions(extractor, small), ChannelsLastConvolutions) == fast
