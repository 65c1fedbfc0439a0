"""Windows → pooled hidden states of a speech encoder."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import torch

from novaspeech.arrays import FloatArray
from novaspeech.audio.buffer import WindowBatch
from novaspeech.errors import OptionError
from novaspeech.inference.encoder import FrameEncoder
from novaspeech.inference.pooling import HIDDEN
from novaspeech.models.compute import Compute
from speech_encoder.families import load_family

ALL = "all"  # layers


class SpeechEncoder(FrameEncoder):
    """Hidden states of a layer, pooled over time.

    Args:
        folder: a model as `save_pretrained` writes it, with its preprocessor_config.json.
        layer: index of the hidden states, as in transformers' `hidden_states`: 0 is what enters the first layer, -1
            what the last one gives; "all" is the mean of all of them.
        pooling: "mean", "max", or "mean_std": the mean, then the standard deviation.
        compute: where and in which number format the model computes.

    Raises:
        OptionError: the model has no such layer.
        WeightsError: the folder cannot be used.
    """

    def __init__(self, folder: Path, layer: str = "-1", pooling: str = "mean", compute: Compute | None = None) -> None:
        self._family = load_family(folder, compute or Compute())
        self.layer = _layer_of(layer, len(self._family.layers))
        if self.layer is not None:
            # What comes after the layer is not computed. One more is kept: a last layer's states would be normalised.
            del self._family.layers[self.layer + 1 :]
        self.pooling = pooling
        self.frame_hop, self.frame_length = self._family.frame_hop, self._family.frame_length
        width = int(self._family.network.config.hidden_size)
        super().__init__(
            sampling_rate=self._family.sampling_rate,
            min_length=self.frame_length,
            dimensions={"embeddings": 2 * width if pooling == "mean_std" else width},
            compute=compute,
        )

    def hear(self, blocks: Iterable[FloatArray]) -> None:
        self._family = self._family.hear(blocks)

    def frames(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        states = self._family.hidden_states(batch)
        if self.layer is None:
            return {HIDDEN: torch.stack([layer.float() for layer in states]).mean(dim=0)}
        return {HIDDEN: states[self.layer]}

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"embeddings": pooled}


def _layer_of(layer: str, count: int) -> int | None:
    """Index from 0 of a layer that may be counted from the last; None for all.

    Raises:
        OptionError: a model with `count` layers does not have it.
    """
    if layer == ALL:
        return None
    try:
        number = int(layer)
    except ValueError:
        number = count + 1  # which no model has
    if not -count - 1 <= number <= count:
        raise OptionError(
            f"option 'layer' is {layer!r}; this model has the layers 0 to {count}; -1 is its last, all the mean of all"
        )
    return number % (count + 1)
