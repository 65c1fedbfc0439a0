"""The source of a module's weights, and what stands in for them: each module's `standin.py` names both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

# Sizes of a small wav2vec 2.0, as transformers' configurations name them.
SMALL_SIZES: Mapping[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "conv_dim": (32,) * 7,
    "num_conv_pos_embedding_groups": 4,
}


@dataclass(frozen=True)
class StandIn:
    """A model that takes the place of a module's published one where that cannot be had.

    Its configuration files are those of the published model, only smaller.

    Attributes:
        make: writes one to a place: a folder, or a file where the published one is a file. Takes some speech (N,) at
            16 kHz, too, on which random weights can be centred.
        options: of a job on the demo's recording, with any model.
        own_options: with random weights only, of which the usual ones would show nothing.
        small: the module's own trained checkpoint, if there is one: what it says means something.
        learnt_from: what that one was trained on, in a few words.
        why_random: why there is none, in a sentence's words.
    """

    make: Callable[[Path, torch.Tensor], None]
    options: Mapping[str, str] = field(default_factory=dict)
    own_options: Mapping[str, str] = field(default_factory=dict)
    small: Path | None = None
    learnt_from: str = ""
    why_random: str = ""


@dataclass(frozen=True)
class Weights:
    """Source of a module's weights.

    Attributes:
        home: "hub", by the Hub id that the option `model` has by default; "uri", a file that a `<uri>` of the trainer
            names; "folder", the module's own folder, so that they are always here.
        stand_in: what takes their place where they cannot be had; None with weights that are always here.
        name: what people call the published model; of one on the Hub its id.
    """

    home: Literal["hub", "uri", "folder"]
    stand_in: StandIn | None = None
    name: str = ""
    uri: str = ""
    place: Path | None = None
