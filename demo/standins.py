"""The modules' stand-ins, made on the demo's speech, and laid out where the published models would lie."""

from __future__ import annotations

from pathlib import Path

import soundfile
import torch

from novaspeech.models import hub
from novaspeech.module.catalogue import published_name, published_place, published_uri, standins


def speech() -> torch.Tensor:
    """(N,) of the demo's recording, at 16 kHz."""
    samples, _ = soundfile.read(Path(__file__).with_name("recording.flac"), dtype="float32")
    return torch.from_numpy(samples)


def make_standin(module: str, place: Path) -> Path:
    """Writes a module's stand-in to a place, and gives that back: a folder, of byols a file."""
    standins()[module].make(place, speech())
    return place


def options_of(module: str, model: Path | str = "") -> dict[str, str]:
    """Options with which a module finds something in the demo's recording; none of a module without weights.

    Args:
        model: the stand-in's place; "" where the published model's place has it.
    """
    standin = standins().get(module)
    if standin is None:
        return {}
    return {**standin.options, **standin.own_options, **({"model": str(model)} if model else {})}


def lay_out(module: str, home: Path) -> Path:
    """Puts a module's stand-in where the caches below `home` (an HF_HOME) would have its published model.

    A module without weights has all that it needs already.
    """
    if module not in standins():
        return published_place(module)
    if published_uri(module) is None:
        return lay_out_as_cached(module, home, published_name(module))
    place = home / "assets" / "novaspeech" / published_place(module).relative_to(hub.asset_cache())
    place.parent.mkdir(parents=True, exist_ok=True)
    return make_standin(module, place)


def lay_out_as_cached(module: str, home: Path, model_id: str) -> Path:
    """Puts a module's stand-in where the Hub's cache below `home` would hold the model `model_id`."""
    revision = "0" * 40
    entry = home / "hub" / f"models--{model_id.replace('/', '--')}"
    snapshot = entry / "snapshots" / revision
    snapshot.mkdir(parents=True, exist_ok=True)
    (entry / "refs").mkdir(exist_ok=True)
    (entry / "refs" / "main").write_text(revision, encoding="utf-8")
    return make_standin(module, snapshot)
