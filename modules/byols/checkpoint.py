"""Checkpoints of BYOL-S: opened without trust, and recognised by their entries."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from byols.base import Network
from byols.network import NETWORKS, AudioNTT, build
from novaspeech.errors import WeightsError, first_line, quoted
from novaspeech.models.weights import local_path

QUOTES = "'\""  # messages leave them out around paths and names of entries
Shapes = dict[str, torch.Size]
_LAST = "fc.3.weight"  # entry of AudioNTT that has a row for each value of an embedding


def load_model(path: str | Path, name: str | None = None) -> Network:
    """The encoder in a checkpoint, in float32 on the CPU, in evaluation mode.

    Args:
        path: a .pth file, such as those that BYOL-S publishes: a state dict as `torch.save` writes it.
        name: "default" (AudioNTT), "resnetish34", "cvt" or "clstm"; None finds it by the checkpoint's entries.

    Returns:
        a `torch.nn.Module` with `sample_rate`, `scene_embedding_size` and `timestamp_embedding_size`.

    Raises:
        OptionError: there is no encoder of that name.
        WeightsError: the file is missing, no state dict (it is refused before anything in it can run), holds tensors
            that are no plain arrays, or belongs to another model.
    """
    path, is_file = local_path(str(path)), False
    with contextlib.suppress(OSError, ValueError):  # a name that no file system takes
        is_file = path.is_file()
    if not is_file:
        raise WeightsError(
            f"{quoted(str(path)).strip(QUOTES)} is no file; give the path of a checkpoint (.pth) on this machine"
        )
    entries = _read(path)
    found = {key: value.shape for key, value in entries.items()}
    network = _network(name or _nearest(found), found)
    _check(path, found, network, name)
    network.load_state_dict(entries, strict=False)
    return network.eval()


def _network(name: str, found: Shapes) -> Network:
    """An encoder with random weights, as wide as the checkpoint's."""
    shape = found.get(_LAST, torch.Size())
    return AudioNTT(shape[0]) if name == "default" and len(shape) == 2 else build(name)


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch each have their own
        raise WeightsError(
            f"{path} is refused: a checkpoint holds tensors and nothing else ({first_line(error)})"
        ) from error
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} is no state dict: it holds a {type(content).__name__}, not tensors by name")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise WeightsError(
                f"{path} is no state dict: its entry {quoted(key)} is a {type(value).__name__}; save the state_dict() "
                f"of the encoder alone"
            )
        odd = value.is_meta or value.is_quantized or value.is_nested or value.is_complex()
        if odd or value.layout != torch.strided:
            raise WeightsError(
                f"{path} cannot be used: its entry {quoted(key)} is no plain array of real numbers; save it as one, "
                f"with tensor.to_dense() or after the model has been loaded"
            )
    return content


def _shapes(network: Network) -> Shapes:
    # The number of batches that training saw does not matter here.
    entries = network.state_dict().items()
    return {key: value.shape for key, value in entries if not key.endswith("num_batches_tracked")}


def _nearest(found: Shapes) -> str:
    """Name of the encoder that shares the most entries with a checkpoint."""
    with torch.device("meta"):
        return max(NETWORKS, key=lambda name: len(found.items() & _shapes(build(name)).items()))


def _check(path: Path, found: Shapes, network: Network, name: str | None) -> None:
    wanted = _shapes(network)
    missing = sorted(wanted.keys() - found.keys())
    too_many = sorted(found.keys() - network.state_dict().keys())
    reshaped = sorted(key for key in wanted.keys() & found.keys() if wanted[key] != found[key])
    faults = [(missing, "missing"), (too_many, "too many"), (reshaped, "of another shape")]
    if not any(keys for keys, _ in faults):
        return
    listed = "; ".join(f"{len(keys)} {fault}: {_some(keys)}" for keys, fault in faults if keys)
    if reshaped:
        listed += f" {tuple(found[reshaped[0]])} instead of {tuple(wanted[reshaped[0]])}"
    nearest = _nearest(found)
    hint = f"; it looks like one of encoder {nearest!r}" if name and nearest != name else ""
    raise WeightsError(f"{path} does not fit the encoder {name or nearest!r}, of its entries {listed}{hint}")


def _some(keys: list[str]) -> str:
    return ", ".join(quoted(key).strip(QUOTES) for key in keys[:2]) + (", …" if len(keys) > 2 else "")
