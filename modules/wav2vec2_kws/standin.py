"""A small speller with random weights, and the trained one in `small/`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from novaspeech.module.standin import SMALL_SIZES, StandIn, Weights

SMALL = Path(__file__).with_name("small")
# Letters of facebook/wav2vec2-base-960h, in its order.
ALPHABET = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")


def make(folder: Path, speech: torch.Tensor) -> None:
    """Writes a model of two layers with 64 values per frame into `folder`, with the published model's letters."""
    torch.manual_seed(0)
    save_speller(random_speller(**SMALL_SIZES), folder)


def random_speller(**sizes: Any) -> Wav2Vec2ForCTC:
    """An untrained model in other sizes, as `Wav2Vec2Config` names them, with the layer norms of the large models."""
    config = Wav2Vec2Config(
        vocab_size=len(ALPHABET), pad_token_id=0, feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True,
        **sizes,
    )  # fmt: skip
    return Wav2Vec2ForCTC(config)


def save_speller(model: Wav2Vec2ForCTC, folder: Path) -> None:
    """Writes a CTC model with that alphabet and preprocessor_config.json."""
    model.save_pretrained(folder)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({letter: number for number, letter in enumerate(ALPHABET)}), encoding="utf-8")
    Wav2Vec2CTCTokenizer(str(vocabulary)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)


WEIGHTS = Weights(
    "hub",
    StandIn(
        make,
        options={"keywords": "statement, shop boy, afraid"},
        small=SMALL,
        learnt_from="synthetic voices and 48 minutes of people",
    ),
)
