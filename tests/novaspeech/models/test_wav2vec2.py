import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from novaspeech.models.fast.convolutions import FirstConvolution
from tests.references import assert_close


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
        norm = layer.layer_norm
        weight, shift = FirstConvolution(config, layer.conv.weight[:, 0], norm.weight, norm.bias).of_windows(tone)
        found = layer.activation(tone.unfold(1, 10, 5) @ weight + shift[:, None])
        expected = layer.double()(tone.double()[:, None]).transpose(1, 2)
    assert_close(found.numpy(), expected.float().numpy(), 1e-4)
