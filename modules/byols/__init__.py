"""BYOL-S, as HEAR's common API has it."""

from byols.checkpoint import load_model
from byols.hear import get_scene_embeddings, get_timestamp_embeddings

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]
