"""A transformers model's folder: whether it is complete, and whether its JSON files can be used."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from novaspeech.errors import WeightsError, first_line, quoted

ABOUT, NETWORK = "export.json", "network.onnx"  # files of `novaspeech export`: facts, transformer


def is_complete(folder: Path) -> bool:
    """Whether the folder has its configuration and every file of weights."""
    if not all((folder / name).is_file() for name in ("config.json", "preprocessor_config.json")):
        return False
    if is_export(folder):
        return (folder / NETWORK).is_file()
    for weights in ("model.safetensors", "pytorch_model.bin"):
        index = folder / f"{weights}.index.json"
        if (folder / weights).is_file():
            return True
        if index.is_file():
            listed = read_json(index).get("weight_map")  # name of each weight → its file
            return isinstance(listed, dict) and all((folder / str(part)).is_file() for part in set(listed.values()))
    return False


def is_export(folder: Path) -> bool:
    """Whether `novaspeech export` wrote the folder."""
    return (folder / ABOUT).is_file()


def check_type(folder: Path, model_types: Collection[str]) -> None:
    """Raises WeightsError if the folder's config.json states a `model_type` that is none of these."""
    found = read_json(folder / "config.json").get("model_type")
    if not isinstance(found, str) or found not in model_types:
        listed = " or ".join(map(repr, model_types))
        raise WeightsError(f"{folder} holds a {quoted(found)} model; this module needs one of type {listed}")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; WeightsError if it holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or first_line(error)}") from error
    except ValueError as error:
        raise WeightsError(f"{path} is not valid JSON: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} must hold a JSON object")
    return content
