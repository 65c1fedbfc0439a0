"""The base of BYOL-S's encoders: normalised log-mel spectrograms (B, 1, 64, T) → embeddings (B, D).

An encoder computes rows over time, and then a summary of them. The summary can be taken piece by piece, so that a
recording of any length has one.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval
from typing_extensions import Self

from novaspeech.errors import RecordingError

# Summary of the rows so far: sum (B, C), maximum (B, C) and number of rows; a network may have another one.
State = tuple[Any, ...]

SAMPLE_RATE = 16000  # Hz
MELS = 64
CHUNK_FRAMES = 2048  # frames (20 s) of a scene in one pass; a multiple of every stride


class Network(nn.Module, ABC):
    """Base of the encoders.

    Attributes:
        sample_rate: rate of the audio, in Hz.
        scene_embedding_size, timestamp_embedding_size: number of values D of an embedding.
        min_frames: frames of the shortest spectrogram that gives a row.
        stride: frames from one row to the next.
        margin: largest number of rows at either end of a spectrogram that its ends influence; None if every row
            depends on every frame.
    """

    sample_rate: ClassVar[int] = SAMPLE_RATE
    scene_embedding_size: int = 2048
    timestamp_embedding_size: int = 2048
    min_frames: ClassVar[int] = 1
    stride: ClassVar[int]
    margin: ClassVar[int | None] = None

    @abstractmethod
    def rows(self, log_mel: torch.Tensor) -> torch.Tensor:
        """(B, 1, 64, T) → (B, rows, C)."""

    def summarise(self, state: State | None, rows: torch.Tensor) -> State:
        """Adds rows (B, rows, C) to the summary of earlier rows, which is None before the first."""
        total, largest, count = rows.sum(dim=1, dtype=torch.float32), rows.amax(dim=1), rows.shape[1]
        if state is None:
            return total, largest, count
        return state[0] + total, torch.maximum(state[1], largest), state[2] + count

    def embed(self, state: State) -> torch.Tensor:
        """Embeddings (B, D) of a summary: here mean plus maximum over time."""
        total, largest, count = state
        embedding: torch.Tensor = total / count + largest
        return embedding

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """(B, 1, 64, T) → (B, D)."""
        return self.embed(self.summarise(None, self.rows(log_mel)))

    def scene(self, log_mel: Iterable[torch.Tensor]) -> torch.Tensor:
        """The embedding (D,) that `forward` gives of consecutive pieces (64, frames) as one.

        Memory is constant, unless `margin` is None.

        Raises:
            RecordingError: there are fewer frames than `min_frames`.
        """
        # Rows that the ends of a chunk influence are left out; the next or previous chunk gives them.
        lead, margin, size = 0, self.margin or 0, CHUNK_FRAMES // self.stride
        chunk = (size + 2 * margin) * self.stride if self.margin is not None else None
        held, state = None, None
        for piece in log_mel:
            held = piece if held is None else torch.cat([held, piece], dim=1)
            while chunk and held.shape[1] >= chunk:
                rows = self.rows(held[None, None, :, :chunk])
                state = self.summarise(state, rows[:, lead : margin + size])
                held, lead = held[:, size * self.stride :], margin
        if held is None or held.shape[1] < self.min_frames:
            raise RecordingError(
                f"{0 if held is None else 10 * held.shape[1]} ms of audio are too few for a scene embedding by this "
                f"encoder, which needs {10 * self.min_frames} ms"
            )
        return self.embed(self.summarise(state, self.rows(held[None, None])[:, lead:]))[0]

    def for_inference(self) -> Self:
        """A copy in evaluation mode that computes the same faster.

        Batch norms are folded into the convolutions before them, whose tensors have their channels last.
        """
        fast = copy.deepcopy(self).eval().requires_grad_(False)
        for parent in list(fast.modules()):
            for (name, convolution), (after, norm) in pairwise(list(parent.named_children())):
                if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    setattr(parent, name, fuse_conv_bn_eval(convolution, norm).requires_grad_(False))
                    setattr(parent, after, nn.Identity())
        for parameter in fast.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.to(memory_format=torch.channels_last)
        return fast


def mel_and_channels(features: torch.Tensor) -> torch.Tensor:
    """(B, C, mel, time) → (B, time, mel * C)."""
    return features.permute(0, 3, 2, 1).flatten(2)
