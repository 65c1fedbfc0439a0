"""wav2vec 2.0 with an x-vector head (Yang et al. 2021, arXiv 2105.01051; Snyder et al. 2018): windows → speakers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import Wav2Vec2ForXVector

from novaspeech.models.wav2vec2 import frame_geometry, load_wav2vec2, prepare_for_inference, standardise

PUBLISHED = "anton-l/wav2vec2-base-superb-sv"
THRESHOLD = 0.86  # of the cosine from which on two voices count as one


class SpeakerModel(nn.Module):
    """Windows of raw signal → x-vectors.

    The windows of a batch are of one length, so that nothing is padded and no attention mask is needed: models whose
    first convolution has a group norm were trained without, and give other numbers with one.

    Args:
        folder: a model as `save_pretrained` writes it, with its preprocessor_config.json.

    Attributes:
        sampling_rate: in Hz.
        min_length: samples of the shortest window that has an x-vector.
        width: its number of values D.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        loaded = load_wav2vec2(Wav2Vec2ForXVector, folder, may_miss=_NOT_USED)
        self.model = loaded.model
        prepare_for_inference(self.model.wav2vec2)
        self.standardised, self.sampling_rate = loaded.standardised, loaded.sampling_rate
        self.min_length = shortest_window(loaded.config)
        self.width = int(loaded.config.xvector_output_dim)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Unit vectors (B, D) float32 of windows (B, N) float32; the head is computed in float32."""
        model = self.model
        signal = standardise(windows) if self.standardised else windows
        weighted = model.config.use_weighted_layer_sum
        outputs = model.wav2vec2(signal.to(model.wav2vec2.dtype), output_hidden_states=weighted)
        if weighted:
            shares = model.layer_weights.softmax(dim=-1)
            hidden = sum(share * layer.float() for share, layer in zip(shares, outputs.hidden_states, strict=True))
        else:
            hidden = outputs.last_hidden_state.float()
        hidden = model.projector(hidden)
        for layer in model.tdnn:
            hidden = layer(hidden)
        statistics = torch.cat([hidden.mean(dim=1), hidden.std(dim=1)], dim=-1)
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
