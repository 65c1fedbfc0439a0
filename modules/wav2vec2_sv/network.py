"""wav2vec 2.0 with an x-vector head (Yang et al. 2021, arXiv 2105.01051; Snyder et al. 2018): windows → speakers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import Wav2Vec2ForXVector

from novaspeech.audio.windows import WindowBatch
from novaspeech.models import weights
from novaspeech.models.compute import Compute
from novaspeech.models.fast.convolutions import frame_geometry
from novaspeech.models.frames import END
from novaspeech.models.wav2vec2 import load_wav2vec2

PUBLISHED = "anton-l/wav2vec2-base-superb-sv"
# Cosine from which on two voices count as one: what a model's config.json says, or one for those that say nothing.
THRESHOLD = 0.86


class SpeakerModel:
    """Windows of raw signal → x-vectors.

    The windows of a batch are of one length, so that nothing is padded and no attention mask is needed: models whose
    first convolution has a group norm were trained without, and give other numbers with one.

    Args:
        folder: a model as `save_pretrained` or `novaspeech export` writes it, with its preprocessor_config.json.
        compute: where and in which number format wav2vec 2.0 computes; the head stays in float32.

    Attributes:
        pretrained: the model of transformers.
        frames: its wav2vec 2.0.
        min_length: samples of the shortest window that has an x-vector.
        width: its number of values D.
        threshold: cosine from which on two voices count as one.

    Raises:
        WeightsError: the folder cannot be used, or its config.json has a threshold that is no cosine.
    """

    def __init__(self, folder: Path, compute: Compute) -> None:
        loaded = load_wav2vec2(Wav2Vec2ForXVector, folder, compute, may_miss=_NOT_USED)
        self.pretrained, self.frames = loaded.model.to(compute.device), loaded.frames(compute)
        self.min_length = shortest_window(loaded.config)
        self.width = int(loaded.config.xvector_output_dim)
        self.threshold = weights.own_number(
            loaded.config, folder, "same_speaker_threshold", THRESHOLD, (-1, 1), "a cosine, from -1 to 1"
        )

    def __call__(self, batch: WindowBatch) -> torch.Tensor:
        """Unit vectors (B, D) float32, one a window."""
        head = self.pretrained
        if head.config.use_weighted_layer_sum:
            shares = head.layer_weights.softmax(dim=-1)
            states = self.frames.hidden_states(batch, range(len(shares)))
            hidden = sum(share * states[layer] for layer, share in enumerate(shares))
        else:
            hidden = self.frames.hidden_states(batch, [END])[END]
        return x_vectors(head, time_delays(head, hidden))


def time_delays(model: Wav2Vec2ForXVector, hidden: torch.Tensor) -> torch.Tensor:
    """(B, T', C): what the network of time delays makes of hidden states (B, T, D)."""
    hidden = model.projector(hidden)
    for layer in model.tdnn:
        hidden = layer(hidden)
    return hidden


def x_vectors(model: Wav2Vec2ForXVector, delayed: torch.Tensor) -> torch.Tensor:
    """Unit vectors (B, D) from the mean and the deviation over time of what `time_delays` gives."""
    statistics = torch.cat([delayed.mean(dim=1), delayed.std(dim=1)], dim=-1)
    return functional.normalize(model.feature_extractor(statistics), dim=-1)


# The loss's centres and the layer before it: only training uses them.
_NOT_USED = ("objective.weight", "classifier.weight", "classifier.bias")


def shortest_window(config: Any) -> int:
    """Samples of the shortest window that has an x-vector: with fewer, too few frames are left for a deviation.

    Args:
        config: a `Wav2Vec2Config`.
    """
    reach: int = sum((kernel - 1) * step for kernel, step in zip(config.tdnn_kernel, config.tdnn_dilation, strict=True))
    hop, length = frame_geometry(config)
    return (reach + 1) * hop + length
