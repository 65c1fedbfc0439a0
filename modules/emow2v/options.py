"""Options of the emotion model."""

from __future__ import annotations

from dataclasses import dataclass

from novaspeech.module.backend_options import FrameOptions
from novaspeech.module.options import option

PUBLISHED = "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim"


@dataclass(frozen=True)
class EmoW2VOptions(FrameOptions):
    """The options of the module."""

    model: str = option(PUBLISHED, text="Hub id or folder of the model; for onnx a folder or an .onnx file", file=True)


OPTIONS = EmoW2VOptions
