"""wav2vec 2.0 with a CTC head (Baevski et al. 2020, arXiv 2006.11477): a recording → hidden states and letters."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2ForCTC

from novaspeech.arrays import FloatArray
from novaspeech.audio.buffer import WindowBatch
from novaspeech.audio.recording import Recording
from novaspeech.errors import OptionError
from novaspeech.inference.encoder import FrameEncoder
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import HIDDEN
from novaspeech.models import weights
from novaspeech.models.compute import Compute
from novaspeech.models.wav2vec2 import load_wav2vec2
from novaspeech.models.whole import SignalNetwork
from wav2vec2_kws.vocabulary import Vocabulary

PUBLISHED = "facebook/wav2vec2-base-960h"
LETTERS = "letters"  # the frames (F, V) besides HIDDEN: log-probabilities


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
        config, model = loaded.config, loaded.model
        self.layer = _layer_of(config, layer)
        self.vocabulary = Vocabulary.of(weights.load_tokenizer(Wav2Vec2CTCTokenizer, folder), config.vocab_size)
        self.fingerprint = _fingerprint(model)
        self._network = SignalNetwork(model.wav2vec2, loaded.standardised, compute.device, compute.dtype)
        self._letters = model.lm_head.to(compute.device, compute.dtype)
        self.frame_hop, self.frame_length = self._network.frame_hop, self._network.frame_length
        super().__init__(
            sampling_rate=loaded.sampling_rate,
            min_length=1,  # windows pool frames of the whole recording
            dimensions={"embeddings": int(config.hidden_size)},
            compute=compute,
        )

    def hear(self, blocks: Iterable[FloatArray]) -> None:
        self._network = self._network.hear(blocks)

    def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        """`HIDDEN` (B, F, D) and `LETTERS` (B, F, V), natural logarithms of probabilities."""
        outputs = self._network(batch.windows, output_hidden_states=HIDDEN in names)
        given = {}
        if LETTERS in names:
            given[LETTERS] = self._letters(outputs.last_hidden_state).float().log_softmax(dim=-1)
        if HIDDEN in names:
            given[HIDDEN] = outputs.hidden_states[self.layer].float()
        return given

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"embeddings": pooled}


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
