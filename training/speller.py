"""The first layers of a model that spells, to begin another one from: convolutions that know speech save hours."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from transformers import Wav2Vec2Config, Wav2Vec2ForCTC


class Speller:
    """What training.keywords wrote.

    Attributes:
        config: of a trunk of its first layers, without what only its own training needs.
    """

    def __init__(self, folder: Path, layers: int) -> None:
        known = Wav2Vec2ForCTC.from_pretrained(folder)
        self._weights = known.wav2vec2.state_dict()
        self.config: Wav2Vec2Config = copy.deepcopy(known.config)
        vars(self.config).pop("alignment_skip_cost", None)
        self.config.update({"num_hidden_layers": layers, "apply_spec_augment": False, "hidden_dropout": 0.0})

    def begin(self, trunk: Any) -> None:
        """Gives a `Wav2Vec2Model` its weights."""
        wanted = trunk.state_dict()
        trunk.load_state_dict({name: value for name, value in self._weights.items() if name in wanted})
