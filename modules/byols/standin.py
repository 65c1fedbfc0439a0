"""BYOL-S with random weights; the published encoder is small, too."""

from __future__ import annotations

from pathlib import Path

import torch

from byols.network import build
from novaspeech.module.standin import StandIn, Weights


def make(file: Path, speech: torch.Tensor) -> None:
    """Writes a checkpoint of the default encoder, in its one size."""
    torch.manual_seed(0)
    torch.save(build("default").state_dict(), file)


WEIGHTS = Weights("uri", StandIn(make), name="GasserElbanna/serab-byols", uri="default")
