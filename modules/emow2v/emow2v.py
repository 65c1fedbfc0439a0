"""Arousal, dominance and valence over time from speech (Wagner et al. 2023, arXiv 2203.07378)."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from emow2v.network import PUBLISHED, SCORES, load_emotion_model
from emow2v.onnx_encoder import OnnxEncoder, choose_providers, onnx_file
from novaspeech.audio.buffer import WindowBatch
from novaspeech.inference.encoder import Encoder, FrameEncoder, choose_device, choose_dtype
from novaspeech.models import weights
from novaspeech.models.wav2vec2 import frame_geometry
from novaspeech.server import progress
from novaspeech.server.options import Options, option
from novaspeech.server.outputs import Output
from novaspeech.server.processor import SpeechProcessor


@dataclass(frozen=True)
class EmoW2VOptions(Options):
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
            choose_providers(options.device, options.precision)  # what it refuses need not be fetched
            published = next(uri for uri in self.trainer.meta_uri if uri.uri_id == "onnx")
            file = onnx_file(options.model, published if options.model == PUBLISHED else None, progress.log)
            return OnnxEncoder(file, options.device, options.precision)
        device = choose_device(options.device)
        folder = weights.model_folder(options.model, "wav2vec2", progress.log)
        return EmoW2VEncoder(folder, device, choose_dtype(options.precision))


class EmoW2VEncoder(FrameEncoder):
    """Mean over time of the last hidden states, and the scores of the published head on it.

    Args:
        folder: a model as `save_pretrained` writes it, with its preprocessor_config.json.
        device, dtype: where and in which number format wav2vec 2.0 computes; the head stays in float32.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.model, sampling_rate = load_emotion_model(folder)
        self.model.to(device).wav2vec2.to(dtype)
        self.frame_hop, self.frame_length = frame_geometry(self.model.config)
        width = self.model.config.hidden_size
        super().__init__(
            sampling_rate=sampling_rate,
            min_length=self.frame_length,
            device=device,
            dimensions={"embedding": width} | dict.fromkeys(SCORES, 1),
        )

    def frames(self, batch: WindowBatch) -> torch.Tensor:
        return self.model.frames(batch.windows)

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        outputs = {"embedding": pooled}
        if not outputs.keys() >= set(names):
            outputs |= dict(zip(SCORES, self.model.classifier(pooled).chunk(len(SCORES), dim=1), strict=True))
        return outputs
