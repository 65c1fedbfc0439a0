"""A small w2v-BERT 2.0 with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

from novaspeech.module.standin import StandIn, Weights


def make(folder: Path, speech: torch.Tensor) -> None:
    """Writes a w2v-BERT 2.0 of two layers with 64 values per frame into `folder`."""
    torch.manual_seed(0)
    config = Wav2Vec2BertConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128)
    Wav2Vec2BertModel(config).save_pretrained(folder)
    # facebook/w2v-bert-2.0 pads with 1; the class's own default is 0.
    SeamlessM4TFeatureExtractor(padding_value=1).save_pretrained(folder)


WEIGHTS = Weights(
    "hub", StandIn(make, why_random="what 580 M parameters learnt of 4.5 million hours fits in no small model")
)
