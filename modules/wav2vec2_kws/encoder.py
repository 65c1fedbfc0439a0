"""wav2vec 2.0 with a CTC head (Baevski et al. 2020, arXiv 2006.11477): a recording → hidden states and letters."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2ForCTC

from novaspeech.arrays import FloatArray
from novaspeech.audio.buffer import WindowBatch
from novaspeech.audio.recording import Recording
from novaspeech.errors import OptionError
from novaspeech.hooks import Log
from novaspeech.inference.compute import Compute
from novaspeech.inference.encoder import HIDDEN, FrameEncoder
from novaspeech.inference.engine import Inference
from novaspeech.models import weights
from novaspeech.models.wav2vec2 import frame_geometry, load_wav2vec2, prepare_for_inference
from wav2vec2_kws.normalisation import WholeStatistics, with_fixed_norm
from wav2vec2_kws.vocabulary import Vocabulary

PUBLISHED = "facebook/wav2vec2-base-960h"
LETTERS = "letters"  # the frames (F, V) besides HIDDEN: log-probabilities
_PIECE = 250  # frames that pass the convolutions at once, 5 s as published


class KeywordEncoder(FrameEncoder):
    """Hidden states of a layer, and log-probabilities of letters, as of the whole recording in one go.

    What the model takes from the whole recording (its mean and variance; for models with a group norm those of its
    first convolution, too) is found in a first pass over it, so that every chunk is normalised as the whole would be.

    Args:
        folder: a model as `save_pretrained` writes it, with its preprocessor_config.json and vocabulary.
        layer: index of the hidden states, as in transformers' `hidden_states`: 0 is what enters the first layer, -1
            what the last one gives.
        compute: where and in which number format it computes; letters are float32.

    Attributes:
        vocabulary: its letters.
        layer: 0 to the number of layers.
        fingerprint: digits that stand for the weights, the same wherever they lie.

    Raises:
        OptionError: the model has no such layer.
        WeightsError: the folder cannot be used.
    """

    def __init__(self, folder: Path, layer: int = -1, compute: Compute | None = None) -> None:
        compute = compute or Compute()
        loaded = load_wav2vec2(Wav2Vec2ForCTC, folder)
        self._config, self._standardised, model = loaded.config, loaded.standardised, loaded.model
        self.layer = _layer_of(self._config, layer)
        self.vocabulary = Vocabulary.of(weights.load_tokenizer(Wav2Vec2CTCTokenizer, folder), self._config.vocab_size)
        self.fingerprint = _fingerprint(model)
        self._convolutions = model.wav2vec2.feature_extractor
        prepare_for_inference(model.wav2vec2)
        self._features = model.wav2vec2.feature_extractor.to(compute.device, compute.dtype)
        model.wav2vec2.feature_extractor = nn.Identity()  # takes features that are computed piece by piece
        self._model = model.to(compute.device, compute.dtype)
        self._statistics: WholeStatistics | None = None
        self._heard: Recording | None = None  # whose statistics they are
        self.frame_hop, self.frame_length = frame_geometry(self._config)
        super().__init__(
            sampling_rate=loaded.sampling_rate,
            min_length=1,  # windows pool frames of the whole recording
            dimensions={"embeddings": int(self._config.hidden_size)},
            compute=compute,
        )

    def prepared_for(self, recording: Recording, log: Log) -> KeywordEncoder:
        if recording is self._heard:
            return self
        encoder = copy.copy(self)
        encoder._heard = recording
        encoder._statistics = WholeStatistics(self._config.conv_kernel[0], self._config.conv_stride[0])
        for block in recording.blocks(self.sampling_rate):
            encoder._statistics.add(block)
        if self._config.feat_extract_norm == "group":
            features = with_fixed_norm(self._convolutions, self._config, encoder._statistics, self._standardised)
            encoder._features = features.to(self.compute.device, self.compute.dtype)
        return encoder

    def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        """`HIDDEN` (B, F, D) and `LETTERS` (B, F, V), natural logarithms of probabilities; NaN counts as silence."""
        assert self._statistics is not None
        signal = batch.windows
        if self._standardised:
            signal = (signal - self._statistics.mean) / self._statistics.deviation
        features = self._convolve(signal.nan_to_num(0.0).to(self.compute.dtype))
        outputs = self._model.wav2vec2(features, output_hidden_states=HIDDEN in names)
        given = {}
        if LETTERS in names:
            given[LETTERS] = self._model.lm_head(outputs.last_hidden_state).float().log_softmax(dim=-1)
        if HIDDEN in names:
            given[HIDDEN] = outputs.hidden_states[self.layer].float()
        return given

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"embeddings": pooled}

    def _convolve(self, signal: torch.Tensor) -> torch.Tensor:
        """Features (B, C, F) of signals (B, N), piece by piece, since no frame needs more than its own samples."""
        count = (signal.shape[1] - self.frame_length) // self.frame_hop + 1
        rest = self.frame_length - self.frame_hop
        pieces = []
        for begin in range(0, count, _PIECE):
            end = min(begin + _PIECE, count)
            pieces.append(self._features(signal[:, begin * self.frame_hop : end * self.frame_hop + rest]))
        return torch.cat(pieces, dim=2)


def hidden_states(recording: Recording, inference: Inference) -> FloatArray:
    """All of a recording (F, D); for short ones, since they are held at once."""
    return np.concatenate([block.values[HIDDEN] for block in inference.frames(recording, [HIDDEN])])


def _layer_of(config: Any, layer: int) -> int:
    """Index from 0 of a layer that may be counted from the last.

    Raises:
        OptionError: the model does not have it.
    """
    layers = config.num_hidden_layers
    if not -layers - 1 <= layer <= layers:
        raise OptionError(f"option 'layer' is {layer}; this model has the layers 0 to {layers}, and -1 is its last")
    return int(layer % (layers + 1))


def _fingerprint(model: Any) -> str:
    """16 hexadecimal digits that other weights would not have, whatever transformers calls them."""
    digests = sorted(
        hashlib.blake2b(weight.detach().numpy().tobytes(), digest_size=16).digest()
        for name, weight in model.state_dict().items()
        if not name.endswith("masked_spec_embed")  # which inference does not use, and a file may lack
    )
    return hashlib.blake2b(b"".join(digests), digest_size=8).hexdigest()
