"""Windows → embeddings of w2v-BERT 2.0."""

from __future__ import annotations

from pathlib import Path

from novaspeech.inference.encoder import FrameEncoder
from novaspeech.models.compute import CPU_FLOAT32, Compute
from novaspeech.models.wav2vec2_bert import load_wav2vec2_bert


class W2VBert2Encoder(FrameEncoder):
    """Mean over time of the last hidden states.

    Raises:
        WeightsError: the folder cannot be used.
    """

    def __init__(self, folder: Path, compute: Compute = CPU_FLOAT32) -> None:
        model = load_wav2vec2_bert(folder, compute)
        super().__init__(model, {"embeddings": model.width}, compute)
