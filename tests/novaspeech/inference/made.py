"""Models of which rows can be written down, and recordings for them."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import WindowBatch
from novaspeech.inference.encoder import Encoder, FrameEncoder
from novaspeech.models.compute import Compute
from novaspeech.models.frames import FrameModel, Front

GRID = WindowGrid.fit(40, 40, 0, 0, 1000)


class FirstAndMean(Encoder):
    """Gives each window's first sample and its mean. A stand-in for models, so that rows can be written down."""

    def __init__(self) -> None:
        super().__init__(sampling_rate=16000, min_length=1, dimensions={"first": 1, "both": 2})
        self.sizes: list[int] = []

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        self.sizes.append(len(batch))
        first, mean = batch.windows[:, :1], batch.windows.mean(1, keepdim=True)
        return {"first": first, "both": torch.cat([first, mean], 1)}


def ramp(seconds: float) -> Recording:
    return Recording.of_samples(np.arange(int(16000 * seconds), dtype=np.float32), 16000, "ramp")


class Framed(Front):
    """Frames of 25 ms every 20 ms: each the mean of its samples and the first one. A model's front end."""

    sampling_rate, frame_hop, frame_length = 16000, 320, 400

    def __call__(self, batch: WindowBatch) -> torch.Tensor:
        frames = batch.windows.nan_to_num(0.0).unfold(1, 400, 320)
        return torch.stack([frames.mean(dim=2), frames[:, :, 0]], dim=2)


class AsTheyAre:
    """A network that changes nothing."""

    last = 0

    def __call__(self, features: torch.Tensor, wanted: Collection[int]) -> dict[int, torch.Tensor]:
        return dict.fromkeys(wanted, features)


class Frames(FrameEncoder):
    """The frames of `Framed`; the head doubles their mean."""

    def __init__(self, front: Framed | None = None) -> None:
        super().__init__(FrameModel(front or Framed(), AsTheyAre(), 2, Path()), {"out": 2}, Compute())

    def head(self, pooled: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"out": 2 * pooled}


def noise(seconds: float, *bad: int) -> Recording:
    samples = np.random.default_rng(0).normal(0, 1, int(16000 * seconds)).astype(np.float32)
    samples[list(bad)] = np.nan
    return Recording.of_samples(samples, 16000, "noise")
