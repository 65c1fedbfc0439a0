"""The x-vector head on wav2vec 2.0 (Yang et al. 2021, arXiv 2105.01051; Snyder et al. 2018)."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers import Wav2Vec2ForXVector

from novaspeech.models.fast.convolutions import frame_geometry

PUBLISHED = "anton-l/wav2vec2-base-superb-sv"
# Cosine from which on two voices count as one, for models whose config.json has no `same_speaker_threshold`.
THRESHOLD = 0.86
NOT_USED = ("objective.weight", "classifier.weight", "classifier.bias")  # weights that only training uses


def time_delays(model: Wav2Vec2ForXVector, hidden: torch.Tensor) -> torch.Tensor:
    """Hidden states (B, T, D) → outputs (B, T', C) of the time-delay network."""
    hidden = model.projector(hidden)
    for layer in model.tdnn:
        hidden = layer(hidden)
    return hidden


def x_vectors(model: Wav2Vec2ForXVector, delayed: torch.Tensor) -> torch.Tensor:
    """Outputs (B, T', C) of `time_delays` → unit vectors (B, D), from their mean and deviation over time."""
    statistics = torch.cat([delayed.mean(dim=1), delayed.std(dim=1)], dim=-1)
    return functional.normalize(model.feature_extractor(statistics), dim=-1)


def shortest_window(config: Any) -> int:
    """Samples of the shortest window that has an x-vector: shorter ones have too few frames for a deviation.

    Args:
        config: a `Wav2Vec2Config`.
    """
    reach: int = sum((kernel - 1) * step for kernel, step in zip(config.tdnn_kernel, config.tdnn_dilation, strict=True))
    hop, length = frame_geometry(config)
    return (reach + 1) * hop + length
