"""Embeddings of any self-supervised speech encoder that transformers has, from any of its layers."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from novaspeech.models import weights
from novaspeech.module.output import Output
from novaspeech.module.processor import SpeechProcessor
from speech_encoder.encoder import SpeechEncoder
from speech_encoder.families import FAMILIES
from speech_encoder.options import SpeechEncoderOptions


class SpeechEncoderModule(SpeechProcessor):
    """The server's entry."""

    options_class = SpeechEncoderOptions
    options: SpeechEncoderOptions
    outputs = (Output("embeddings", aliases=("embedding",)),)

    def load_encoder(self) -> SpeechEncoder:
        options = self.options
        compute = options.compute
        folder = weights.model_folder(options.model, FAMILIES, self.log, options.exported)
        return SpeechEncoder(folder, options.layer, options.pooling, compute)
