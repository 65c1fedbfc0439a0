"""wav2vec 2.0 with a CTC head (Baevski et al. 2020, arXiv 2006.11477): a recording → hidden states and letters."""

from __future__ import annotations

import hashlib
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
from novaspeech.errors import WeightsError
from novaspeech.inference.encoder import FrameEncoder
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import HIDDEN
from novaspeech.models import weights
from novaspeech.models.compute import CPU_FLOAT32, Compute
from novaspeech.models.folder import ABOUT, is_export, read_json
from novaspeech.models.frames import END, layer_index
from novaspeech.models.wav2vec2 import backbone_of, load_wav2vec2
from wav2vec2_kws.align.trellis import SKIP_COST, Costs
from wav2vec2_kws.vocabulary import Vocabulary

LETTERS = "letters"  # name of the output (F, V) of log-probabilities, beside HIDDEN


class KeywordEncoder(FrameEncoder):
    """Hidden states of a layer, and log-probabilities of letters, equal to those of the whole recording in one chunk.

    A first pass over the recording finds its mean and variance; for models with a group norm those of the first
    convolution, too. Every chunk is then normalised as the whole would be.

    Args:
        layer: index of the hidden states, as in transformers' `hidden_states`: 0 enters the first layer, -1 leaves the
            last one.
        compute: device and number format; letters are float32.

    Attributes:
        vocabulary: the model's letters.
        layer: the index counted from 0.
        fingerprint: digits that stand for the weights, the same wherever they lie.
        costs: costs of leaving a transcript; a model that is less sure of its letters stays nearer to it.

    Raises:
        OptionError: the model has no such layer.
        WeightsError: the folder cannot be used, or its config.json has a wrong `alignment_skip_cost`.
    """

    def __init__(self, folder: Path, layer: int = -1, compute: Compute = CPU_FLOAT32) -> None:
        self.pretrained = load_wav2vec2(Wav2Vec2ForCTC, folder, compute)
        config = self.pretrained.config
        self.layer = layer_index(layer, config.num_hidden_layers)
        if not (folder / "vocab.json").is_file():
            raise WeightsError(f"{folder} has no vocab.json, which says the letters that the model writes")
        tokenizer = weights.from_json(Wav2Vec2CTCTokenizer, folder / "vocab.json")
        self.vocabulary = Vocabulary.of(tokenizer, config.vocab_size)
        self.fingerprint = fingerprint(self.pretrained, folder)
        meaning = "a number of nats, from 0 on"
        skip = weights.own_number(config, folder, "alignment_skip_cost", SKIP_COST, (0, math.inf), meaning)
        self.costs = Costs(skip=skip)
        self._letters = self.pretrained.lm_head.to(compute.device, compute.dtype)
        model = backbone_of(self.pretrained, folder, compute)
        # A window may be short: it pools frames of the whole recording.
        super().__init__(model, {"embeddings": model.width}, compute, min_length=1)
        self.layers = (self.layer,)

    def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        """`HIDDEN` (B, F, D) and `LETTERS` (B, F, V), natural logarithms of probabilities."""
        of = {HIDDEN: self.layer, LETTERS: END}
        states = self.model.hidden_states(batch, {of[name] for name in names})
        given = {HIDDEN: states[self.layer]} if HIDDEN in names else {}
        if LETTERS in names:
            given[LETTERS] = self._letters(states[END].to(self.compute.dtype)).float().log_softmax(dim=-1)
        return given


def hidden_states(recording: Recording, inference: Inference) -> FloatArray:
    """Hidden states (F, D) of a short recording; all of them are in memory."""
    return np.concatenate([block.array(HIDDEN) for block in inference.frames(recording, [HIDDEN])])


def fingerprint(model: Any, folder: Path) -> str:
    """Hash of a model's weights, 16 hexadecimal digits, whatever transformers names them."""
    if is_export(folder):  # which states that of the model that it was made of
        return str(read_json(folder / ABOUT).get("fingerprint"))
    digests = sorted(
        hashlib.blake2b(weight.detach().numpy().tobytes(), digest_size=16).digest()
        for name, weight in model.state_dict().items()
        if not name.endswith("masked_spec_embed")  # inference does not use it, and a file may lack it
    )
    return hashlib.blake2b(b"".join(digests), digest_size=8).hexdigest()
