"""Windows → embeddings and scores of the emotion model."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch

from emow2v.network import SCORES, load_emotion_model
from novaspeech.inference.encoder import FrameEncoder
from novaspeech.models.compute import Compute


class EmoW2VEncoder(FrameEncoder):
    """Mean over time of the last hidden states, and the scores of the published head on it.

    Raises:
        WeightsError: the folder cannot be used.
    """

    def __init__(self, folder: Path, compute: Compute | None = None) -> None:
        compute = compute or Compute()
        loaded = load_emotion_model(folder, compute)
        self._classifier = loaded.model.classifier.to(compute.device)
        self.pretrained, model = loaded.model, loaded.frames(compute)
        super().__init__(model, {"embedding": model.width} | dict.fromkeys(SCORES, 1), compute)

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        outputs = {"embedding": pooled}
        if not outputs.keys() >= set(names):
            outputs |= dict(zip(SCORES, self._classifier(pooled).chunk(len(SCORES), dim=1), strict=True))
        return outputs
