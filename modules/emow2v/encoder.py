"""Windows → embeddings and scores of the emotion model."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch

from emow2v.network import SCORES, load_emotion_model
from novaspeech.inference.encoder import FrameEncoder
from novaspeech.models.compute import CPU_FLOAT32, Compute
from novaspeech.models.wav2vec2 import backbone_of


class EmoW2VEncoder(FrameEncoder):
    """Mean over time of the last hidden states, and the scores of the published head on it.

    Raises:
        WeightsError: the folder cannot be used.
    """

    def __init__(self, folder: Path, compute: Compute = CPU_FLOAT32) -> None:
        self.pretrained = load_emotion_model(folder, compute)
        self._classifier = self.pretrained.classifier.to(compute.device)
        model = backbone_of(self.pretrained, folder, compute)
        super().__init__(model, {"embedding": model.width} | dict.fromkeys(SCORES, 1), compute)

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        outputs = {"embedding": pooled}
        if not outputs.keys() >= set(names):
            outputs |= dict(zip(SCORES, self._classifier(pooled).chunk(len(SCORES), dim=1), strict=True))
        return outputs
