"""Arousal, dominance and valence over time from speech (Wagner et al. 2023, arXiv 2203.07378)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from emow2v.encoder import EmoW2VEncoder
from emow2v.network import PUBLISHED, SCORES
from emow2v.onnx_encoder import OnnxEncoder, choose_providers, onnx_file
from novaspeech.errors import OptionError
from novaspeech.inference.encoder import Encoder
from novaspeech.models import weights
from novaspeech.server.options import FrameOptions, option
from novaspeech.server.outputs import Output
from novaspeech.server.processor import SpeechProcessor


@dataclass(frozen=True)
class EmoW2VOptions(FrameOptions):
    """The options of the module."""

    model: str = option(PUBLISHED, text="Hub id or folder of the model; for onnx a folder or an .onnx file")
    backend: str = option("torch", text="what runs the model: torch, or onnxruntime", choices=("torch", "onnx"))


class EmoW2V(SpeechProcessor):
    """The server's entry."""

    options_class = EmoW2VOptions
    options: EmoW2VOptions
    outputs = (
        *(Output(name, "annotation:Continuous") for name in SCORES),
        Output("embedding", aliases=("embeddings",)),
    )

    def load_encoder(self) -> Encoder:
        options = self.options
        if options.backend == "onnx":
            if options.context == "recording":
                raise OptionError("context=recording needs backend=torch; the ONNX files hold whole windows")
            choose_providers(options.device, options.precision)  # what it refuses need not be fetched
            published = next(uri for uri in self.trainer.meta_uri if uri.uri_id == "onnx")
            file = onnx_file(options.model, published if options.model == PUBLISHED else None, self.log)
            return OnnxEncoder(file, options.device, options.precision)
        return EmoW2VEncoder(weights.model_folder(options.model, ["wav2vec2"], self.log), options.compute)
