"""Arousal, dominance and valence over time from speech (Wagner et al. 2023, arXiv 2203.07378)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import novaspeech  # noqa: F401  before torch, whose threads read what it sets
from emow2v.encoder import EmoW2VEncoder
from emow2v.network import SCORES
from emow2v.options import PUBLISHED, EmoW2VOptions
from emow2v.windows_encoder import WindowsEncoder, onnx_file
from novaspeech.errors import OptionError
from novaspeech.inference.encoder import Encoder
from novaspeech.models import weights
from novaspeech.models.folder import is_export
from novaspeech.module.output import Output
from novaspeech.module.processor import SpeechProcessor
from novaspeech.wording import advice


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
        compute = options.compute  # options that it refuses need no download
        if options.exported and not is_export(weights.local_path(options.model)):
            if options.context == "recording":
                raise OptionError(
                    "context=recording with backend=onnx needs the folder of an export, other ONNX files hold whole "
                    f"windows; make one: novaspeech export emow2v --out DIR, and {advice('model', 'DIR')}"
                )
            published = next(uri for uri in self.trainer.meta_uri if uri.uri_id == "onnx")
            file = onnx_file(options.model, published if options.model == PUBLISHED else None, self.log)
            return WindowsEncoder(file, compute)
        folder = weights.model_folder(options.model, ["wav2vec2"], self.log, options.exported)
        return EmoW2VEncoder(folder, compute)
