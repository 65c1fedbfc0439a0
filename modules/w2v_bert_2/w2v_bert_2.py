"""w2v-BERT 2.0 (Barrault et al. 2023, arXiv 2312.05187, section 3.2.1): speech embeddings over time."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from novaspeech.audio.buffer import WindowBatch
from novaspeech.errors import WeightsError
from novaspeech.inference.encoder import FrameEncoder, choose_device, choose_dtype
from novaspeech.models import weights
from novaspeech.server import progress
from novaspeech.server.options import Options, option
from novaspeech.server.outputs import Output
from novaspeech.server.processor import SpeechProcessor
from w2v_bert_2.filter_banks import FRAME_HOP, FRAME_LENGTH, FilterBanks


@dataclass(frozen=True)
class W2VBert2Options(Options):
    """The options of the module."""

    model: str = option("facebook/w2v-bert-2.0", text="Hub id or folder of a w2v-BERT 2.0 model")


class W2VBert2(SpeechProcessor):
    """The server's entry."""

    options_class = W2VBert2Options
    outputs = (Output("embeddings", aliases=("embedding",)),)

    def load_encoder(self) -> W2VBert2Encoder:
        device = choose_device(self.options.device)
        folder = weights.model_folder(self.options.model, "wav2vec2-bert", progress.log)
        return W2VBert2Encoder(folder, device, choose_dtype(self.options.precision))


class W2VBert2Encoder(FrameEncoder):
    """Mean over time of the last hidden states.

    Args:
        folder: a model as `save_pretrained` writes it, with its preprocessor_config.json.
        device, dtype: where and in which number format the model computes.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        # masked_spec_embed stands in for masked frames, which only training has.
        extractor = weights.load_extractor(SeamlessM4TFeatureExtractor, folder)
        model = weights.load_pretrained(Wav2Vec2BertModel, folder, may_miss=("masked_spec_embed",))
        width = extractor.num_mel_bins * extractor.stride
        if model.config.add_adapter or width != model.config.feature_projection_input_dim:
            raise WeightsError(
                f"{folder}: a model without adapter, whose feature_projection_input_dim is num_mel_bins * stride "
                f"({width}), is needed; this one has add_adapter={model.config.add_adapter} and "
                f"feature_projection_input_dim={model.config.feature_projection_input_dim}"
            )
        self.filter_banks = FilterBanks(extractor, device)
        self.model = model.to(device=device, dtype=dtype)
        # In half precision its layer norm would lose windows that are mostly digital silence (see FilterBanks).
        self.model.feature_projection.float().register_forward_hook(
            lambda module, inputs, outputs: tuple(output.to(dtype) for output in outputs)
        )
        self.frame_hop = FRAME_HOP * self.filter_banks.stacked
        self.frame_length = FRAME_LENGTH + FRAME_HOP * (self.filter_banks.stacked - 1)
        super().__init__(
            sampling_rate=self.filter_banks.sampling_rate,
            min_length=self.frame_length,
            device=device,
            dimensions={"embeddings": model.config.hidden_size},
        )

    def frames(self, batch: WindowBatch) -> torch.Tensor:
        hidden: torch.Tensor = self.model(input_features=self.filter_banks(batch)).last_hidden_state
        return hidden

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"embeddings": pooled}
