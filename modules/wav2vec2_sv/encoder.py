"""wav2vec 2.0 with an x-vector head (Yang et al. 2021, arXiv 2105.01051; Snyder et al. 2018): windows → speakers."""

from __future__ import annotations

import copy
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import Wav2Vec2ForXVector

from novaspeech.arrays import FloatArray
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import RequestError
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.engine import Inference
from novaspeech.models import weights
from novaspeech.models.compute import CPU_FLOAT32, Compute
from novaspeech.models.fast.convolutions import frame_geometry
from novaspeech.models.frames import END, FrameModel
from novaspeech.models.wav2vec2 import backbone_of, load_wav2vec2

# Cosine from which on two voices count as one, for models whose config.json has no `same_speaker_threshold`.
THRESHOLD = 0.86
NOT_USED = ("objective.weight", "classifier.weight", "classifier.bias")  # weights that only training uses
HOP_MS = 500  # hop of the windows whose mean is a recording's vector
SILENCE = 1e-7  # largest energy of a window without a voice: -70 dB of full scale


class SpeakerEncoder(Encoder):
    """x-vectors of unit length, the energy of windows, and the similarity to a reference.

    The windows of a batch have one length, so that nothing is padded and no attention mask is needed. Models with a
    group norm in the first convolution were trained without a mask, and give other numbers with one.

    Attributes:
        threshold: cosine from which on two voices count as one, as the model has it.
        reference: vector (D,) of unit length that `similarity` compares with; see `with_reference`.

    Raises:
        WeightsError: the folder cannot be used, or its config.json has a threshold that is no cosine.
    """

    model: FrameModel
    reference: torch.Tensor | None = None

    def __init__(self, folder: Path, compute: Compute = CPU_FLOAT32) -> None:
        self.pretrained = load_wav2vec2(Wav2Vec2ForXVector, folder, compute, may_miss=NOT_USED).to(compute.device)
        self.model, config = backbone_of(self.pretrained, folder, compute), self.pretrained.config
        self.threshold = weights.own_number(
            config, folder, "same_speaker_threshold", THRESHOLD, (-1, 1), "a cosine, from -1 to 1"
        )
        super().__init__(
            sampling_rate=self.model.front.sampling_rate,
            min_length=shortest_window(config),
            dimensions={"embeddings": int(config.xvector_output_dim), "energy": 1, "similarity": 1},
            compute=compute,
        )

    def with_reference(self, vector: FloatArray) -> SpeakerEncoder:
        """A copy that gives the similarity to a vector (D,) of unit length."""
        encoder = copy.copy(self)
        encoder.reference = torch.from_numpy(vector).to(self.compute.device)
        return encoder

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        outputs = {"embeddings": self._speakers(batch)}
        if "energy" in names:  # the variance leaves out a constant offset, which is no sound
            outputs["energy"] = batch.windows.var(dim=1, correction=0, keepdim=True)
        if "similarity" in names:
            assert self.reference is not None
            outputs["similarity"] = (outputs["embeddings"] @ self.reference).unsqueeze(1).clamp(-1, 1)
        return outputs

    def _speakers(self, batch: WindowBatch) -> torch.Tensor:
        """Unit vectors (B, D) float32, one a window."""
        head = self.pretrained
        if head.config.use_weighted_layer_sum:
            shares = head.layer_weights.softmax(dim=-1)
            states = self.model.hidden_states(batch, range(len(shares)))
            hidden = sum(share * states[layer] for layer, share in enumerate(shares))
        else:
            hidden = self.model.hidden_states(batch, [END])[END]
        return x_vectors(head, time_delays(head, hidden))


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
    """Samples of the shortest window that has an x-vector: shorter ones have too few frames for a deviation."""
    reach: int = sum((kernel - 1) * step for kernel, step in zip(config.tdnn_kernel, config.tdnn_dilation, strict=True))
    hop, length = frame_geometry(config)
    return (reach + 1) * hop + length


def weighted_mean(embeddings: FloatArray, energy: FloatArray) -> FloatArray | None:
    """The mean (D,) of vectors (count, D), weighted by the energy (count, 1) of their windows, at unit length.

    Windows of silence have no weight. The mean is None if there is nothing but silence.
    """
    mean = np.where(energy > SILENCE, energy, 0)[:, 0] @ embeddings
    length = np.linalg.norm(mean)
    return np.asarray(mean / length, np.float32) if length > 0 else None


def speaker_of(recording: Recording, inference: Inference, window_ms: int) -> FloatArray:
    """The vector (D,) of a recording's speaker, at unit length: the weighted mean of windows every 500 ms.

    Raises:
        RequestError: the recording is shorter than a window or than the model takes, silent, or holds no window without
            NaN or infinite samples.
    """
    shortest = max(window_ms, inference.encoder.min_length_ms)
    if recording.duration_ms < shortest:
        raise RequestError(
            f"{recording.name} has {recording.duration_ms} ms; to know a speaker by, {shortest} ms are needed, one "
            f"window"
        )
    grid = WindowGrid(window_ms, HOP_MS, 0, 0, count=(recording.duration_ms - window_ms) // HOP_MS + 1)
    found = inference.encode(recording, grid, ["embeddings", "energy"])
    vector = weighted_mean(found["embeddings"].values, found["energy"].values)
    if vector is None:
        what = "silence" if found["energy"].usable.any() else "NaN or infinite samples in every window"
        raise RequestError(f"{recording.name} holds {what}; to know a speaker by, some seconds of speech are needed")
    return vector
