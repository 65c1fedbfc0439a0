"""BYOL-S behind HEAR's common API."""

from byols.checkpoint import load_model
from byols.hear_api import get_scene_embeddings, get_timestamp_embeddings

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]
