"""w2v-BERT 2.0 (Barrault et al. 2023, arXiv 2312.05187, section 3.2.1): Kaldi's filter banks and a Conformer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

from novaspeech.models import weights
from novaspeech.models.compute import Compute
from novaspeech.models.fast.conformer import ConvolutionModule
from novaspeech.models.fast.filter_banks import FilterBanks
from novaspeech.models.fast.relative_key import gather_positions
from novaspeech.models.frames import FrameModel, Network, TorchNetwork
from novaspeech.models.onnx.exported import OnnxNetwork
from novaspeech.models.wav2vec2 import refuse_adapter


def load_wav2vec2_bert(folder: Path, compute: Compute) -> FrameModel:
    """A w2v-BERT 2.0 from a folder by `save_pretrained` or by `novaspeech export`; WeightsError if it is none."""
    extractor = weights.load_extractor(SeamlessM4TFeatureExtractor, folder)
    config: Any = weights.from_json(Wav2Vec2BertConfig, folder / "config.json")
    refuse_adapter(config, folder)
    runs: Network = OnnxNetwork(folder, compute) if compute.providers else _in_torch(folder, compute)
    return FrameModel(FilterBanks(extractor, compute.device), runs, int(config.hidden_size), folder)


def _in_torch(folder: Path, compute: Compute) -> TorchNetwork:
    # masked_spec_embed stands in for masked frames, which only training has.
    model: Any = weights.load_pretrained(Wav2Vec2BertModel, folder, may_miss=("masked_spec_embed",))
    gather_positions(model)
    for layer in model.encoder.layers:
        layer.conv_module = ConvolutionModule(layer.conv_module)
    network = TorchNetwork(model, model.encoder.layers, compute)
    if compute.dtype != torch.float32:
        # A layer norm in half precision would lose windows that are mostly digital silence (see FilterBanks).
        model.feature_projection.float().register_forward_hook(
            lambda module, inputs, outputs: tuple(output.to(compute.dtype) for output in outputs)
        )
    return network
