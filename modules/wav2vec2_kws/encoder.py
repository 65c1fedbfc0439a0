"""wav2vec 2.0 with a CTC head (Baevski et al. 2020, arXiv 2006.11477): a recording → hidden states and letters."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2ForCTC

from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import OptionError
from novaspeech.inference.encoder import FrameEncoder
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import HIDDEN
from novaspeech.models import weights
from novaspeech.models.compute import Compute
from novaspeech.models.frames import END
from novaspeech.models.wav2vec2 import load_wav2vec2
from wav2vec2_kws.align.trellis import SKIP_COST, Costs
from wav2vec2_kws.vocabulary import Vocabulary

PUBLISHED = "facebook/wav2vec2-base-960h"
LETTERS = "letters"  # the frames (F, V) besides HIDDEN: log-probabilities


class KeywordEncoder(FrameEncoder):
    """Hidden states of a layer, and log-probabilities of letters, as of the whole recording in one go.

    What the model takes from the whole recording (its mean and variance; for models with a group norm those of its
    first convolution, too) is found in a first pass over it, so that every chunk is normalised as the whole would be.

    Args:
        folder: a model as `save_pretrained` or `novaspeech export` writes it, with its preprocessor_config.json and
            vocabulary.
        layer: index of the hidden states, as in transformers' `hidden_states`: 0 is what enters the first layer, -1
            what the last one gives.
        compute: where and in which number format it computes; letters are float32.

    Attributes:
        vocabulary: its letters.
        layer: 0 to the number of layers.
        fingerprint: digits that stand for the weights, the same wherever they lie.
        costs: of leaving a transcript: a model that is less sure of its letters is to stay nearer to it.

    Raises:
        OptionError: the model has no such layer.
        WeightsError: the folder cannot be used, or its config.json has an `alignment_skip_cost` that is none.
    """

    def __init__(self, folder: Path, layer: int = -1, compute: Compute | None = None) -> None:
        compute = compute or Compute()
        loaded = load_wav2vec2(Wav2Vec2ForCTC, folder, compute)
        config, self.pretrained = loaded.config, loaded.model
        self.layer = _layer_of(config, layer)
        self.vocabulary = Vocabulary.of(weights.load_tokenizer(Wav2Vec2CTCTokenizer, folder), config.vocab_size)
        self.fingerprint = weights.fingerprint(loaded.model, folder)
        meaning = "a number of nats, from 0 on"
        skip = weights.own_number(config, folder, "alignment_skip_cost", SKIP_COST, (0, math.inf), meaning)
        self.costs = Costs(skip=skip)
        self._letters = loaded.model.lm_head.to(compute.device, compute.dtype)
        # Windows pool frames of the whole recording, however short they are.
        super().__init__(loaded.frames(compute), {"embeddings": int(config.hidden_size)}, compute, min_length=1)
        self.layers = (self.layer,)

    def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        """`HIDDEN` (B, F, D) and `LETTERS` (B, F, V), natural logarithms of probabilities."""
        of = {HIDDEN: self.layer, LETTERS: END}
        states = self.model.hidden_states(batch, {of[name] for name in names})
        given = {HIDDEN: states[self.layer]} if HIDDEN in names else {}
        if LETTERS in names:
            given[LETTERS] = self._letters(states[END].to(self.compute.dtype)).float().log_softmax(dim=-1)
        return given

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"embeddings": pooled}


def hidden_states(recording: Recording, inference: Inference) -> FloatArray:
    """All of a recording (F, D); for short ones, since they are held at once."""
    return np.concatenate([block.array(HIDDEN) for block in inference.frames(recording, [HIDDEN])])


def _layer_of(config: Any, layer: int) -> int:
    """Index from 0 of a layer that may be counted from the last.

    Raises:
        OptionError: the model does not have it.
    """
    layers = config.num_hidden_layers
    if not -layers - 1 <= layer <= layers:
        raise OptionError(f"option 'layer' is {layer}; this model has the layers 0 to {layers}, and -1 is its last")
    return int(layer % (layers + 1))
