"""Checkpoints of BYOL-S: opened without trust, and recognised by their entries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from byols.base import Network
from byols.network import NETWORKS, AudioNTT, build
from novaspeech.errors import LONGEST_LINE, WeightsError, first_line, quoted, shortened
from novaspeech.models.weights import local_path

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
        WeightsError: the file is missing, no state dict (it is refused before anything in it can run), or belongs to
            another model.
    """
    path = local_path(str(path))
    if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises for names that are too long)
        raise WeightsError(f"{shortened(str(path))} is no file; give the path of a checkpoint (.pth) on this machine")
    entries = _read(path)
    name = name or _nearest(entries)
    width = entries.get(_LAST, torch.empty(0)).shape
    network = AudioNTT(width[0]) if name == "default" and len(width) == 2 else build(name)
    try:
        network.load_state_dict(entries)
    except RuntimeError as error:
        nearest = _nearest(entries)
        hint = f"; it looks like one of encoder {nearest!r}" if nearest != name else ""
        said = shortened(str(error), LONGEST_LINE)
        raise WeightsError(f"{path} does not fit the encoder {name!r}{hint}: {said}") from error
    return network.eval()


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
    return content


def _nearest(entries: Mapping[str, torch.Tensor]) -> str:
    """Name of the encoder that shares the most entries with a checkpoint."""

    def shared(name: str) -> int:
        return len(_shapes(entries) & _shapes(build(name).state_dict()))

    with torch.device("meta"):
        return max(NETWORKS, key=shared)


def _shapes(entries: Mapping[str, torch.Tensor]) -> set[tuple[str, torch.Size]]:
    return {(name, values.shape) for name, values in entries.items()}
