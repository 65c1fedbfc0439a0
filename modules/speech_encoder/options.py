"""Options of the speech encoders."""

from __future__ import annotations

from dataclasses import dataclass

from novaspeech.module.backend_options import FrameOptions
from novaspeech.module.options import option


@dataclass(frozen=True)
class SpeechEncoderOptions(FrameOptions):
    """The options of the module."""

    model: str = option("microsoft/wavlm-base-plus", text="Hub id or folder of a speech encoder", file=True)
    layer: str = option("-1", text="layer of the hidden states, from 0; -1 is the last, all the mean of all")
    pooling: str = option(
        "mean", text="how a window's hidden states become one vector", choices=("mean", "max", "mean_std")
    )


OPTIONS = SpeechEncoderOptions
