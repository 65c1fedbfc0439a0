"""A small speaker model with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForXVector

from novaspeech.module.standin import SMALL_SIZES, StandIn, Weights


def make(folder: Path, speech: torch.Tensor) -> None:
    """Writes a speaker model of two layers with 64 values per frame into `folder`.

    It has a group norm, a weighted sum of layers and no other normalisation, as the published model.
    """
    torch.manual_seed(0)
    model = random_speaker_model(**SMALL_SIZES, tdnn_dim=(32, 32, 32, 32, 64), xvector_output_dim=48)
    # Random vectors hardly change over time, unless they are centred on those of some speech.
    windows = speech.unfold(0, 48000, 16000)
    with torch.no_grad():
        model.feature_extractor.bias -= model.eval()(windows).embeddings.mean(dim=0)
    save_speaker_model(model, folder)


def random_speaker_model(**sizes: Any) -> Wav2Vec2ForXVector:
    """The published speaker model's architecture in other sizes, as `Wav2Vec2Config` names them."""
    return Wav2Vec2ForXVector(Wav2Vec2Config(**{"use_weighted_layer_sum": True, "num_labels": 4} | sizes))


def save_speaker_model(model: Wav2Vec2ForXVector, folder: Path) -> None:
    """Writes a model with its preprocessor_config.json."""
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=model.config.feat_extract_norm == "layer").save_pretrained(folder)


WEIGHTS = Weights(
    "hub",
    StandIn(
        make,
        own_options={"threshold": "0"},
        small=Path(__file__).with_name("small"),
        learnt_from="226 people who read aloud, and synthetic voices",
    ),
)
