"""Windows → embeddings of w2v-BERT 2.0."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertModel

from novaspeech.arrays import FloatArray
from novaspeech.audio.buffer import WindowBatch
from novaspeech.errors import WeightsError
from novaspeech.inference.encoder import FrameEncoder
from novaspeech.inference.pooling import HIDDEN
from novaspeech.models import weights
from novaspeech.models.compute import Compute
from novaspeech.models.filter_banks import FilterBanks
from novaspeech.models.relative_key import gather_positions


class W2VBert2Encoder(FrameEncoder):
    """Mean over time of the last hidden states.

    Args:
        folder: a model as `save_pretrained` writes it, with its preprocessor_config.json.
        compute: where and in which number format the model computes.

    Raises:
        WeightsError: the folder cannot be used.
    """

    def __init__(self, folder: Path, compute: Compute | None = None) -> None:
        compute = compute or Compute()
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
        self.filter_banks = FilterBanks(extractor, compute.device)
        gather_positions(model)
        self.model = model.to(device=compute.device, dtype=compute.dtype)
        # In half precision its layer norm would lose windows that are mostly digital silence (see FilterBanks).
        self.model.feature_projection.float().register_forward_hook(
            lambda module, inputs, outputs: tuple(output.to(compute.dtype) for output in outputs)
        )
        self.frame_hop, self.frame_length = self.filter_banks.frame_hop, self.filter_banks.frame_length
        super().__init__(
            sampling_rate=self.filter_banks.sampling_rate,
            min_length=self.frame_length,
            dimensions={"embeddings": model.config.hidden_size},
            compute=compute,
        )

    def hear(self, blocks: Iterable[FloatArray]) -> None:
        self.filter_banks = self.filter_banks.hear(blocks)

    def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {HIDDEN: self.model(input_features=self.filter_banks(batch)).last_hidden_state}

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"embeddings": pooled}
