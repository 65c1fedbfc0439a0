"""A small WavLM with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMModel

from novaspeech.module.standin import SMALL_SIZES, StandIn, Weights


def make(folder: Path, speech: torch.Tensor) -> None:
    """Writes a WavLM of two layers with 64 values per frame into `folder`, with a group norm as the published one."""
    torch.manual_seed(0)
    WavLMModel(WavLMConfig(**SMALL_SIZES)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)


WEIGHTS = Weights("hub", StandIn(make, why_random="what 94 M parameters learnt of 94,000 hours fits in no small model"))
