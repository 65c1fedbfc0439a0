"""A small WavLM with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMModel

from novaspeech.models.standin import StandIn


def make(folder: Path, speech: torch.Tensor) -> None:
    """Writes a WavLM of two layers with 64 values per frame into `folder`, with a group norm as the published one."""
    torch.manual_seed(0)
    config = WavLMConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, conv_dim=(32,) * 7,
        num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    WavLMModel(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)


STANDIN = StandIn(make)
