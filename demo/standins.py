"""Small models of the real architectures with random weights, for the demo and the tests.

Their configuration files are those of the published models, only smaller. Their numbers mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

Maker = Callable[[Path], None]


def make_w2v_bert_2(folder: Path) -> None:
    """Writes a w2v-BERT 2.0 of two layers with 64 values per frame into `folder`."""
    torch.manual_seed(0)
    config = Wav2Vec2BertConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128)
    Wav2Vec2BertModel(config).save_pretrained(folder)
    # As in facebook/w2v-bert-2.0; the class's own default pads with 0.
    SeamlessM4TFeatureExtractor(padding_value=1).save_pretrained(folder)


def lay_out_as_cached(home: Path, model_id: str, make: Maker) -> Path:
    """Puts a stand-in where the Hub's cache below `home` (an HF_HOME) would hold the model `model_id`."""
    revision = "0" * 40
    entry = home / "hub" / f"models--{model_id.replace('/', '--')}"
    snapshot = entry / "snapshots" / revision
    snapshot.mkdir(parents=True, exist_ok=True)
    make(snapshot)
    (entry / "refs").mkdir(exist_ok=True)
    (entry / "refs" / "main").write_text(revision)
    return snapshot


# Published id → how to make its stand-in, by module.
STANDINS: dict[str, tuple[str, Maker]] = {"w2v_bert_2": ("facebook/w2v-bert-2.0", make_w2v_bert_2)}
