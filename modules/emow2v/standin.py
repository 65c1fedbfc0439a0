"""A small emotion model with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor

from emow2v.network import SCORES, EmotionModel
from novaspeech.models.front import standardise
from novaspeech.module.standin import SMALL_SIZES, StandIn, Weights


def make(folder: Path, speech: torch.Tensor) -> None:
    """Writes an emotion model of two layers with 64 values per frame into `folder`; its scores wander about 0.5."""
    torch.manual_seed(0)
    model = random_emotion_model(**SMALL_SIZES)
    # Random hidden states hardly change over time. The head is centred on those of some speech, and exaggerates.
    windows = standardise(speech.unfold(0, 16000, 16000))
    with torch.no_grad():
        pooled = model.eval()(windows)[0]
        dense = model.classifier.dense
        dense.weight.copy_(torch.randn(64, 64) / 64**0.5 / pooled.std(dim=0).mean() / 2)
        dense.bias.copy_(-dense.weight @ pooled.mean(dim=0))
        model.classifier.out_proj.weight.copy_(torch.randn(3, 64) / 32)
        model.classifier.out_proj.bias.fill_(0.5)
    save_emotion_model(model, folder)


def random_emotion_model(**sizes: Any) -> EmotionModel:
    """The published emotion model's architecture and labels in other sizes, as `Wav2Vec2Config` names them."""
    labels = dict(enumerate(SCORES))
    config = Wav2Vec2Config(
        feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True,
        id2label=labels, label2id={name: index for index, name in labels.items()}, **sizes,
    )  # fmt: skip
    return EmotionModel(config)


def save_emotion_model(model: EmotionModel, folder: Path) -> None:
    """Writes a model with the preprocessor_config.json of the published model's folder."""
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)


WEIGHTS = Weights(
    "hub",
    StandIn(
        make,
        small=Path(__file__).with_name("small"),
        learnt_from="how people and synthetic voices sound, and five actors",
    ),
)
