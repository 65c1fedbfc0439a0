"""The folder that `novaspeech export` writes: a model's graphs for onnxruntime, and weights that torch needs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from novaspeech.errors import OptionError, WeightsError, first_line
from novaspeech.models.compute import Compute
from novaspeech.models.fast.convolutions import FirstConvolution
from novaspeech.models.folder import ABOUT, NETWORK, is_export, read_json
from novaspeech.models.frames import END
from novaspeech.models.onnx.runtime import OnnxGraph
from novaspeech.wording import advice

CONVOLUTIONS, KEPT = "convolutions.onnx", "torch.safetensors"
OF_FIRST = "first."  # prefix of the names of a first convolution's weights
FEATURES, TAKEN = "features", ("signal", "weight", "shift")  # inputs of the two graphs


def hidden_name(layer: int) -> str:
    """Name of the hidden states of a layer, or of `END`, in the network's graph."""
    return "end" if layer == END else f"hidden_{layer}"


class OnnxNetwork:
    """The transformer of a folder that `novaspeech export` wrote: features → hidden states of layers 0 to `last`."""

    def __init__(self, folder: Path, compute: Compute) -> None:
        self._precision = precision_of(folder)
        self._graph = OnnxGraph(folder / NETWORK, compute, int8=self._precision == "int8")
        self.last = len(self._graph.session.get_outputs()) - 2  # its outputs are the layers 0 to `last`, and `END`
        if compute.asked[1] == "float32" != self._precision:
            raise OptionError(f"option 'precision' is 'float32', but {folder} is {self._precision}; leave it at auto")

    def __call__(self, features: torch.Tensor, wanted: Collection[int]) -> dict[int, torch.Tensor]:
        found = self._graph.run({FEATURES: features.numpy()}, [hidden_name(layer) for layer in wanted])
        return {layer: torch.from_numpy(rows) for layer, rows in zip(wanted, found, strict=True)}

    def __str__(self) -> str:
        return f"onnxruntime's {self._graph.provider}, {self._precision}"


class OnnxConvolutions:
    """`ChannelsLastConvolutions` of a folder that `novaspeech export` wrote; WeightsError if it is none."""

    def __init__(self, folder: Path, compute: Compute) -> None:
        self._graph = OnnxGraph(folder / CONVOLUTIONS, compute, int8=precision_of(folder) == "int8")

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Features (B, C, F) of signals (B, N), and of weights and shifts if the model has a group norm."""
        given = {name: values.numpy() for name, values in zip(TAKEN, inputs, strict=False)}
        return torch.from_numpy(self._graph.run(given, [FEATURES])[0])


def precision_of(folder: Path) -> str:
    """The precision of an export, "float32" or "int8"; WeightsError if the folder is none."""
    if not is_export(folder):
        raise WeightsError(
            f"{folder} holds no model for onnxruntime; make one first: novaspeech export MODULE --model {folder} "
            f"--out DIR, and {advice('model', 'DIR')}"
        )
    return str(read_json(folder / ABOUT).get("precision"))


def load_kept(model_class: Any, config: Any, folder: Path, without: str, may_miss: tuple[str, ...] = ()) -> Any:
    """A transformers model `without` the part that onnxruntime runs, of the weights that `novaspeech export` kept."""
    with torch.device("meta"):  # weights without memory
        model = model_class(config)
    delattr(model, without)
    kept = {name: values for name, values in _kept(folder).items() if not name.startswith(OF_FIRST)}
    lacking = set(model.load_state_dict(kept, strict=False, assign=True).missing_keys) - {*may_miss}
    if lacking:
        raise WeightsError(
            f"{folder} holds another kind of model: {min(lacking)} is missing; make one of the right kind: novaspeech "
            f"export MODULE"
        )
    return model.eval()


def load_first(config: Any, folder: Path) -> FirstConvolution:
    """The first convolution of a model with a group norm, of the weights that `novaspeech export` kept for torch."""
    kept = {name.removeprefix(OF_FIRST): values for name, values in _kept(folder).items() if name.startswith(OF_FIRST)}
    return FirstConvolution(config, **kept)


def _kept(folder: Path) -> dict[str, torch.Tensor]:
    try:
        kept: dict[str, torch.Tensor] = load_file(folder / KEPT)
    except Exception as error:  # safetensors has its own
        raise WeightsError(f"{folder / KEPT} cannot be read: {first_line(error)}") from error
    return kept
