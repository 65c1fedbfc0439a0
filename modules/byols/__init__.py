"""BYOL-S behind HEAR's common API."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from byols.checkpoint import load_model
    from byols.hear_api import get_scene_embeddings, get_timestamp_embeddings

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]


def __getattr__(name: str) -> Any:  # on use, so that the module's options are read without torch
    if name not in __all__:
        raise AttributeError(f"module 'byols' has no attribute {name!r}")
    return getattr(importlib.import_module(f"byols.{'checkpoint' if name == 'load_model' else 'hear_api'}"), name)
