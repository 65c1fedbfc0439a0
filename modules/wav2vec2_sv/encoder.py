"""Windows → speakers: the encoder, and the one vector of a recording."""

from __future__ import annotations

import copy
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch

from novaspeech.arrays import FloatArray
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import RequestError
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.engine import Inference
from novaspeech.models.compute import Compute
from wav2vec2_sv.network import SpeakerModel

HOP_MS = 500  # between the windows that a recording's one vector is the mean of
SILENCE = 1e-7  # energy of a window that holds no voice: -70 dB of full scale


class SpeakerEncoder(Encoder):
    """x-vectors of unit length, the energy of windows, and the similarity to a reference.

    Args:
        folder: a model as `save_pretrained` or `novaspeech export` writes it, with its preprocessor_config.json.
        compute: where and in which number format wav2vec 2.0 computes; the head stays in float32.

    Attributes:
        threshold: cosine from which on two voices count as one, as the model has it.
        reference: (D,) of unit length, which `similarity` is the cosine to; see `with_reference`.
    """

    reference: torch.Tensor | None = None

    def __init__(self, folder: Path, compute: Compute | None = None) -> None:
        compute = compute or Compute()
        self._speaker = SpeakerModel(folder, compute)
        self.model, self.pretrained = self._speaker.frames, self._speaker.pretrained
        self.threshold = self._speaker.threshold
        super().__init__(
            sampling_rate=self.model.front.sampling_rate,
            min_length=self._speaker.min_length,
            dimensions={"embeddings": self._speaker.width, "energy": 1, "similarity": 1},
            compute=compute,
        )

    def with_reference(self, vector: FloatArray) -> SpeakerEncoder:
        """A copy that gives the similarity to a vector (D,) of unit length."""
        encoder = copy.copy(self)
        encoder.reference = torch.from_numpy(vector).to(self.compute.device)
        return encoder

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        outputs = {"embeddings": self._speaker(batch)}
        if "energy" in names:  # without a constant offset, which is no sound
            outputs["energy"] = batch.windows.var(dim=1, correction=0, keepdim=True)
        if "similarity" in names:
            assert self.reference is not None
            outputs["similarity"] = (outputs["embeddings"] @ self.reference).unsqueeze(1).clamp(-1, 1)
        return outputs


def weighted_mean(embeddings: FloatArray, energy: FloatArray) -> FloatArray | None:
    """The mean (D,) of vectors (count, D), weighted by the energy (count, 1) of their windows, at unit length.

    Silence has no voice in it. None if there is nothing else.
    """
    mean = np.where(energy > SILENCE, energy, 0)[:, 0] @ embeddings
    length = np.linalg.norm(mean)
    return np.asarray(mean / length, np.float32) if length > 0 else None


def speaker_of(recording: Recording, inference: Inference, window_ms: int) -> FloatArray:
    """The vector (D,) of unit length of who speaks in a recording: of windows every 500 ms that lie in it as a whole.

    Args:
        inference: of a `SpeakerEncoder`.
        window_ms: length of a window.

    Raises:
        RequestError: it is shorter than a window or than what the model takes, silent, or holds no window without NaN
            or infinite samples.
    """
    shortest = max(window_ms, inference.encoder.min_length_ms)
    if recording.duration_ms < shortest:
        raise RequestError(
            f"{recording.name} has {recording.duration_ms} ms; to know a speaker by, {shortest} ms are needed, one "
            f"window"
        )
    grid = WindowGrid(window_ms, HOP_MS, 0, 0, count=(recording.duration_ms - window_ms) // HOP_MS + 1)
    found = inference.windows(recording, grid, ["embeddings", "energy"])
    vector = weighted_mean(found["embeddings"].values, found["energy"].values)
    if vector is None:
        what = "silence" if found["energy"].usable.any() else "NaN or infinite samples in every window"
        raise RequestError(f"{recording.name} holds {what}; to know a speaker by, some seconds of speech are needed")
    return vector
