"""Windows → pooled hidden states of a speech encoder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch

from novaspeech.errors import OptionError
from novaspeech.inference.encoder import FrameEncoder
from novaspeech.models.compute import Compute
from speech_encoder.families import load_family

ALL = "all"  # layers


class SpeechEncoder(FrameEncoder):
    """Hidden states of a layer, pooled over time.

    Args:
        folder: a model as `save_pretrained` or `novaspeech export` writes it, with its preprocessor_config.json.
        layer: index of the hidden states, as in transformers' `hidden_states`: 0 is what enters the first layer, -1
            what the last one gives; "all" is the mean of all of them.
        pooling: "mean", "max", or "mean_std": the mean, then the standard deviation.
        compute: where and in which number format the model computes.

    Raises:
        OptionError: the model has no such layer.
        WeightsError: the folder cannot be used.
    """

    def __init__(self, folder: Path, layer: str = "-1", pooling: str = "mean", compute: Compute | None = None) -> None:
        compute = compute or Compute()
        model = load_family(folder, compute)
        last = model.network.last
        chosen = _layer_of(layer, last)
        width = 2 * model.width if pooling == "mean_std" else model.width
        super().__init__(model, {"embeddings": width}, compute)
        self.pooling = pooling
        self.layers = range(last + 1) if chosen is None else (chosen,)
        if chosen is not None:
            model.network.keep(chosen)

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
