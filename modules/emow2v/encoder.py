"""Windows → embeddings and scores of the emotion model, in torch."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch

from emow2v.network import SCORES, load_emotion_model
from novaspeech.audio.buffer import WindowBatch
from novaspeech.inference.compute import Compute
from novaspeech.inference.encoder import HIDDEN, FrameEncoder
from novaspeech.models.wav2vec2 import frame_geometry


class EmoW2VEncoder(FrameEncoder):
    """Mean over time of the last hidden states, and the scores of the published head on it.

    Args:
        folder: a model as `save_pretrained` writes it, with its preprocessor_config.json.
        compute: where and in which number format wav2vec 2.0 computes; the head stays in float32.

    Raises:
        WeightsError: the folder cannot be used.
    """

    def __init__(self, folder: Path, compute: Compute | None = None) -> None:
        compute = compute or Compute()
        self.model, sampling_rate = load_emotion_model(folder)
        self.model.to(compute.device).wav2vec2.to(compute.dtype)
        self.frame_hop, self.frame_length = frame_geometry(self.model.config)
        super().__init__(
            sampling_rate=sampling_rate,
            min_length=self.frame_length,
            dimensions={"embedding": self.model.config.hidden_size} | dict.fromkeys(SCORES, 1),
            compute=compute,
        )

    def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {HIDDEN: self.model.frames(batch.windows)}

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        outputs = {"embedding": pooled}
        if not outputs.keys() >= set(names):
            outputs |= dict(zip(SCORES, self.model.classifier(pooled).chunk(len(SCORES), dim=1), strict=True))
        return outputs
