from __future__ import annotations

import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from novaspeech.models.fast.convolutions import ChannelsLastConvolutions, FirstConvolution
from tests.references import assert_close


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"conv_bias": False},
        {"conv_kernel": (10, 3, 2), "conv_stride": (5, 2, 2), "conv_dim": (8, 6, 4)},
        {"conv_kernel": (9, 7), "conv_stride": (2, 3), "conv_dim": (8, 6)},  # a kernel of more than two strides
        {"conv_kernel": (10, 2), "conv_stride": (5, 3), "conv_dim": (8, 8)},  # samples that nobody hears
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
    first = FirstConvolution(extractor.conv_layers[0], config) if norm == "group" else None
    ours = ChannelsLastConvolutions(extractor, config)
    windows = torch.randn(7, samples)
    with torch.inference_mode():
        expected = extractor(windows)
        found = ours(windows, *(first.of_windows(windows) if first else ()))
    assert_close(found.numpy(), expected.numpy(), 1e-5)


@pytest.mark.parametrize("level", [1.0, 1e-4, 0.0])
def test_a_group_norm_in_the_weights_of_filters_that_cancel_most_of_the_signal(level: float) -> None:
    """A low tone with an offset, and filters that hear nothing but its change."""
    config = Wav2Vec2Config()
    torch.manual_seed(0)
    extractor = Wav2Vec2Model(Wav2Vec2Config(hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                                             num_conv_pos_embedding_groups=2)).eval().feature_extractor  # fmt: skip
    layer = extractor.conv_layers[0]
    with torch.inference_mode():
        layer.conv.weight -= layer.conv.weight.mean(dim=2, keepdim=True)
        tone = level * (0.5 + torch.sin(torch.arange(16000) * 2 * torch.pi * 60 / 16000))[None]
        weight, shift = FirstConvolution(layer, config).of_windows(tone)
        found = layer.activation(tone.unfold(1, 10, 5) @ weight + shift[:, None])
        expected = layer.double()(tone.double()[:, None]).transpose(1, 2)
    assert_close(found.numpy(), expected.float().numpy(), 1e-4)
