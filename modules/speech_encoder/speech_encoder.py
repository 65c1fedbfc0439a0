"""Embeddings of any self-supervised speech encoder that transformers has, from any of its layers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from novaspeech.inference.pooling import POOLINGS
from novaspeech.models import weights
from novaspeech.module.backend_options import FrameOptions
from novaspeech.module.options import option
from novaspeech.module.output import Output
from novaspeech.module.processor import SpeechProcessor
from speech_encoder.encoder import SpeechEncoder
from speech_encoder.families import FAMILIES


@dataclass(frozen=True)
class SpeechEncoderOptions(FrameOptions):
    """The options of the module."""

    model: str = option("microsoft/wavlm-base-plus", text="Hub id or folder of a speech encoder", file=True)
    layer: str = option("-1", text="layer of the hidden states, from 0; -1 is the last, all the mean of all")
    pooling: str = option("mean", text="how a window's hidden states become one vector", choices=tuple(POOLINGS))


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
