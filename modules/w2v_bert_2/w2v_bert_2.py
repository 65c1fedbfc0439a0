"""w2v-BERT 2.0 (Barrault et al. 2023, arXiv 2312.05187, section 3.2.1): speech embeddings over time."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from novaspeech.inference.encoder import FrameEncoder
from novaspeech.models import weights
from novaspeech.models.wav2vec2_bert import load_wav2vec2_bert
from novaspeech.module.output import Output
from novaspeech.module.processor import SpeechProcessor
from w2v_bert_2.options import W2VBert2Options


class W2VBert2(SpeechProcessor):
    """The server's entry."""

    options_class = W2VBert2Options
    options: W2VBert2Options
    outputs = (Output("embeddings", aliases=("embedding",)),)

    def load_encoder(self) -> FrameEncoder:
        """Mean over time of the last hidden states."""
        options = self.options
        compute = options.compute  # options that it refuses need no download
        folder = weights.model_folder(options.model, ["wav2vec2-bert"], self.log, options.exported)
        model = load_wav2vec2_bert(folder, compute)
        return FrameEncoder(model, {"embeddings": model.width}, compute)
