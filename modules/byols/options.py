"""Options of BYOL-S."""

from __future__ import annotations

from dataclasses import dataclass

from novaspeech.module.options import ComputeOptions, option


@dataclass(frozen=True)
class BYOLSOptions(ComputeOptions):
    """The options of the module."""

    encoder: str = option(
        "default", text="the network: default is AudioNTT", choices=("default", "resnetish34", "cvt", "clstm")
    )
    model: str = option("", text="a checkpoint file of the encoder; left empty, the published one", file=True)


OPTIONS = BYOLSOptions
