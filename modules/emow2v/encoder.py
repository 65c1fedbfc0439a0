"""Windows → embeddings and scores of the emotion model, in torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import torch

from emow2v.network import SCORES, load_emotion_model
from novaspeech.arrays import FloatArray
from novaspeech.audio.buffer import WindowBatch
from novaspeech.inference.encoder import FrameEncoder
from novaspeech.inference.pooling import HIDDEN
from novaspeech.models.compute import Compute
from novaspeech.models.whole import SignalNetwork


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
        model, sampling_rate = load_emotion_model(folder)
        self._network = SignalNetwork(model.wav2vec2, model.standardised, compute.device, compute.dtype)
        self._classifier = model.classifier.to(compute.device)
        self.frame_hop, self.frame_length = self._network.frame_hop, self._network.frame_length
        super().__init__(
            sampling_rate=sampling_rate,
            min_length=self.frame_length,
            dimensions={"embedding": model.config.hidden_size} | dict.fromkeys(SCORES, 1),
            compute=compute,
        )

    def hear(self, blocks: Iterable[FloatArray]) -> None:
        self._network = self._network.hear(blocks)

    def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {HIDDEN: self._network(batch.windows).last_hidden_state}

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        outputs = {"embedding": pooled}
        if not outputs.keys() >= set(names):
            outputs |= dict(zip(SCORES, self._classifier(pooled).chunk(len(SCORES), dim=1), strict=True))
        return outputs
