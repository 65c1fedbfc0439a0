"""Options of w2v-BERT 2.0."""

from __future__ import annotations

from dataclasses import dataclass

from novaspeech.module.backend_options import FrameOptions
from novaspeech.module.options import option


@dataclass(frozen=True)
class W2VBert2Options(FrameOptions):
    """The options of the module."""

    model: str = option("facebook/w2v-bert-2.0", text="Hub id or folder of a w2v-BERT 2.0 model", file=True)


OPTIONS = W2VBert2Options
