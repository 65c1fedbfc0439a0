"""The small checkpoint, which has learnt to spell synthetic voices, and what it finds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from novaspeech.models.standin import StandIn

SMALL = Path(__file__).with_name("small")


def make(folder: Path, speech: torch.Tensor) -> None:
    """Copies the small checkpoint into `folder`."""
    shutil.copytree(SMALL, folder, dirs_exist_ok=True)


def save_speller(model: Wav2Vec2ForCTC, letters: tuple[str, ...], folder: Path) -> None:
    """Writes a CTC model with its vocabulary and preprocessor_config.json."""
    model.save_pretrained(folder)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({letter: number for number, letter in enumerate(letters)}), encoding="utf-8")
    Wav2Vec2CTCTokenizer(str(vocabulary)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)


STANDIN = StandIn(
    make,
    options={"keywords": "thank you, money, question"},
    recording="words.flac",
    small=SMALL,
    learnt_from="synthetic voices",
)
