"""The published emotion model (Wagner et al. 2023, arXiv 2203.07378): wav2vec 2.0, mean over time, regression head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Wav2Vec2Config, Wav2Vec2Model, Wav2Vec2PreTrainedModel

from novaspeech.errors import WeightsError
from novaspeech.models import weights
from novaspeech.models.compute import CPU_FLOAT32, Compute
from novaspeech.models.wav2vec2 import load_wav2vec2

# Scores of the head, in its order; roughly 0 to 1.
SCORES = ("arousal", "dominance", "valence")


class RegressionHead(nn.Module):
    """Pooled hidden states (B, D) → scores (B, 3). Attributes are named as in the checkpoint."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.out_proj(torch.tanh(self.dense(pooled)))
        return scores


class EmotionModel(Wav2Vec2PreTrainedModel):  # type: ignore[misc]
    """Hidden states of raw signal, pooled, and scores."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = RegressionHead(config)
        self.post_init()

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pooled hidden states (B, D) and scores (B, 3) of windows (B, N) float32 that are normalised."""
        pooled = self.wav2vec2(signal).last_hidden_state.mean(dim=1)
        return pooled, self.classifier(pooled)


def load_emotion_model(folder: Path, compute: Compute = CPU_FLOAT32) -> Any:
    """The model in a folder; WeightsError if it has no emotion head, other labels, or parts that do not fit."""
    config: Any = weights.from_json(Wav2Vec2Config, folder / "config.json")
    labels = [config.id2label[index] for index in sorted(config.id2label)]
    if labels != list(SCORES):
        raise WeightsError(
            f"{folder} has the labels {', '.join(labels)}; a model whose config.json names {', '.join(SCORES)} in this "
            f"order is needed, as the published model's does"
        )
    return load_wav2vec2(EmotionModel, folder, compute)
