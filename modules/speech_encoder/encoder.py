"""Windows → pooled hidden states of a speech encoder."""

from __future__ import annotations

from pathlib import Path

from novaspeech.inference.encoder import FrameEncoder
from novaspeech.models.compute import CPU_FLOAT32, Compute
from novaspeech.models.frames import TorchNetwork, layer_index
from speech_encoder.families import load_family

ALL = "all"  # value of the option `layer`: the mean of all layers


class SpeechEncoder(FrameEncoder):
    """Hidden states of a layer, pooled over time.

    Args:
        layer: index of the hidden states, as in transformers' `hidden_states`: 0 enters the first layer, -1 leaves the
            last one; "all" is the mean of all layers.
        pooling: "mean", "max", or "mean_std": the mean, then the standard deviation.

    Raises:
        OptionError: the model has no such layer.
        WeightsError: the folder cannot be used.
    """

    def __init__(self, folder: Path, layer: str = "-1", pooling: str = "mean", compute: Compute = CPU_FLOAT32) -> None:
        model = load_family(folder, compute)
        last = model.network.last
        chosen = None if layer == ALL else layer_index(layer, last, otherwise=", all the mean of all")
        width = 2 * model.width if pooling == "mean_std" else model.width
        super().__init__(model, {"embeddings": width}, compute)
        self.pooling = pooling
        self.layers = range(last + 1) if chosen is None else (chosen,)
        if chosen is not None and isinstance(model.network, TorchNetwork):  # onnxruntime computes what is wanted
            model.network.keep(chosen)
