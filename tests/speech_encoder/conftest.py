"""A small model of each family, as its published ones are configured."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
# torch 2.13 (oneDNN 3.12) gives wrong numbers in bfloat16 on CPUs with AMX for groups of 12 channels or fewer.
CONVOLUTIONS: dict[str, Any] = {"conv_dim": (16,) * 7, "num_conv_pos_embedding_groups": 2}
# Base models have a group norm and hear the signal as it is; large ones layer norms, and hear it standardised.
BASE: dict[str, Any] = {**SMALL, **CONVOLUTIONS, "feat_extract_norm": "group", "conv_bias": False}
LARGE: dict[str, Any] = {
    **SMALL, **CONVOLUTIONS, "feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True,
}  # fmt: skip
WHISPER: dict[str, Any] = {
    "d_model": 32, "encoder_layers": 3, "decoder_layers": 1, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
}  # fmt: skip

# Name → class of transformers, its configuration, and the extractor that stands beside it.
MODELS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "hubert-base": (transformers.HubertModel, BASE, transformers.Wav2Vec2FeatureExtractor(do_normalize=False)),
    "hubert-large": (transformers.HubertModel, LARGE, transformers.Wav2Vec2FeatureExtractor(do_normalize=True)),
    "wavlm-base-plus": (transformers.WavLMModel, BASE, transformers.Wav2Vec2FeatureExtractor(do_normalize=False)),
    "wavlm-large": (transformers.WavLMModel, LARGE, transformers.Wav2Vec2FeatureExtractor(do_normalize=True)),
    "wav2vec2-base": (transformers.Wav2Vec2Model, BASE, transformers.Wav2Vec2FeatureExtractor(do_normalize=True)),
    "xls-r": (transformers.Wav2Vec2Model, LARGE, transformers.Wav2Vec2FeatureExtractor(do_normalize=True)),
    "data2vec-audio": (
        transformers.Data2VecAudioModel,
        {**SMALL, **CONVOLUTIONS},
        transformers.Wav2Vec2FeatureExtractor(do_normalize=True),
    ),
    "unispeech-sat-base": (
        transformers.UniSpeechSatModel, BASE, transformers.Wav2Vec2FeatureExtractor(do_normalize=False),
    ),
    "w2v-bert-2.0": (
        transformers.Wav2Vec2BertModel, SMALL, transformers.SeamlessM4TFeatureExtractor(padding_value=1),
    ),
    "whisper": (transformers.WhisperModel, WHISPER, transformers.WhisperFeatureExtractor()),
}  # fmt: skip


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name of each of `MODELS` → its folder."""
    root = tmp_path_factory.mktemp("speech-encoders")
    for name, (network_class, configuration, extractor) in MODELS.items():
        torch.manual_seed(0)
        network_class(network_class.config_class(**configuration)).save_pretrained(root / name)
        extractor.save_pretrained(root / name)
    return {name: root / name for name in MODELS}
