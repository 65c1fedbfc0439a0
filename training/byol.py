"""Trains byols' small checkpoint: python -m training.byol SPEECH OUT.pth.

AudioNTT of 512 values learns by BYOL's objective (Grill et al. 2020; for audio Niizumi et al. 2021, arXiv 2103.06695):
of two views of a second of speech, mixed faintly with other speech, cut, stretched and faded, one's vector is to
predict the other's by a slow copy of the network. As in the hybrid of Elbanna et al. (2022, arXiv 2203.16637) it is
to tell, too, how the second is said, in numbers that are computed. Stopped and started again, it goes on.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import IterableDataset

from byols.log_mel import FRAME_HOP, LogMel
from byols.network import AudioNTT
from novaspeech.arrays import FloatArray
from training.corpus import Speech, draw_pieces, people, voices
from training.espeak import espeak_voices
from training.functionals import count_of_functionals, functionals
from training.resumable import Training, run
from training.speech import RATE

WIDTH = 512
_BATCH = 64  # pieces, of each two views
_FRAMES = 96  # of a piece: 0.95 s
_CONTEXT = 4 * RATE  # samples by which its spectrogram is normalised, as that of a recording
_MIXED = 0.2  # the most that other speech is of a view, as the paper has it
_AREA = (0.6, 1.5)  # of a cut of a view, of its own height and width; what is beyond is empty
_SLOWNESS = 0.99  # of the copy
_SAID_SHARE = 1.0  # of what is told of how it is said


class Views(IterableDataset):  # type: ignore[type-arg]
    """Batches of pairs of views (2, B, 1, 64, 96) and how each is said (B, K), each batch of its number alone."""

    def __init__(self, speech: Sequence[Speech], first: int, last: int) -> None:
        self._said, self._first, self._last = [one.samples for one in speech], first, last
        self._log_mel = LogMel(torch.device("cpu"))

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        torch.set_num_threads(1)
        for number in range(self._first, self._last):
            generator = np.random.default_rng((9, number))
            clean, heard = draw_pieces(self._said, _BATCH, _CONTEXT, generator)
            mels = self._log_mel.of_windows(torch.from_numpy(heard)).numpy()
            mels -= mels.mean(axis=(1, 2), keepdims=True)
            mels /= mels.std(axis=(1, 2), keepdims=True) + 1e-5
            starts = generator.integers(mels.shape[2] - _FRAMES + 1, size=_BATCH)
            pieces = np.stack([mel[:, start : start + _FRAMES] for mel, start in zip(mels, starts, strict=True)])
            others = pieces[generator.permutation(_BATCH)]
            pairs = [
                [view_of(piece, other, generator) for piece, other in zip(pieces, others, strict=True)]
                for _ in range(2)
            ]
            said = [
                one[start * FRAME_HOP : (start + _FRAMES) * FRAME_HOP]
                for one, start in zip(np.pad(clean, ((0, 0), (0, FRAME_HOP))), starts, strict=True)
            ]
            views = torch.from_numpy(np.array(pairs, np.float32)).unsqueeze(2)
            yield views, functionals(torch.from_numpy(np.stack(said)))


def view_of(piece: FloatArray, other: FloatArray, generator: np.random.Generator) -> FloatArray:
    """A view of a piece (64, 96): mixed in power with another, cut and stretched, faded."""
    share = _MIXED * generator.random()
    mixed = np.log((1 - share) * np.exp(piece) + share * np.exp(other) + 1e-9)
    mels, frames = mixed.shape
    height = min(mels, round(mels * generator.uniform(*_AREA)))
    width = round(frames * generator.uniform(*_AREA))
    canvas = np.zeros((mels, max(frames, width)), np.float32)
    left = (canvas.shape[1] - frames) // 2
    canvas[:, left : left + frames] = mixed
    top, start = int(generator.integers(mels - height + 1)), int(generator.integers(canvas.shape[1] - width + 1))
    cut = torch.from_numpy(canvas[top : top + height, start : start + width])[None, None]
    stretched = functional.interpolate(cut, (mels, frames), mode="bicubic", align_corners=True)[0, 0].numpy()
    first, last = generator.uniform(-1, 1, 2)
    return np.asarray(stretched + np.linspace(first, last, frames, dtype=np.float32))


def projector(width: int, inner: int = 1024, outer: int = 128) -> nn.Sequential:
    """Two layers with a batch norm between them."""
    return nn.Sequential(nn.Linear(width, inner), nn.BatchNorm1d(inner), nn.ReLU(inplace=True), nn.Linear(inner, outer))


class Learner(nn.Module):
    """The encoder with what only training needs: its projector and predictor, and the slow copy of the former two."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        # Channels last take half of the time on a CPU.
        self.encoder = AudioNTT(WIDTH).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.projector, self.predictor = projector(WIDTH), projector(128)
        count = count_of_functionals()
        self.told, self.usual = nn.Linear(WIDTH, count), nn.BatchNorm1d(count, affine=False)
        self.slow = copy.deepcopy(nn.ModuleList([self.encoder, self.projector])).requires_grad_(False)

    def loss(self, views: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        """2 - 2 cosine of prediction and target, both ways; and the squared error of what is told, in deviations."""
        self._follow()
        total, said = torch.zeros(()), self.usual(said)
        for one, other in (views, views.flip(0)):
            with torch.autocast("cpu", torch.bfloat16):
                embedding = self.encoder(one)
                predicted, told = self.predictor(self.projector(embedding)), self.told(embedding)
                with torch.no_grad():
                    target = self.slow[1](self.slow[0](other))
            total = total + 2 - 2 * functional.cosine_similarity(predicted.float(), target.float()).mean()
            total = total + _SAID_SHARE * functional.mse_loss(told.float(), said)
        return total

    def _follow(self) -> None:
        """The slow copy takes a hundredth of the network."""
        with torch.no_grad():
            quick = nn.ModuleList([self.encoder, self.projector])
            for mine, its in zip(self.slow.parameters(), quick.parameters(), strict=True):
                mine.lerp_(its, 1 - _SLOWNESS)


def train(speech: Path, file: Path, steps: int, rate: float) -> None:
    """Trains a checkpoint, or goes on training it."""
    spoken = [*voices(speech), *people(speech / "people.jsonl"), *espeak_voices(speech)]
    training = Training(Learner(), file, steps, rate)
    views = Views(spoken, training.step, steps)
    training.go_on(
        views, lambda batch: training.model.loss(*batch), lambda learner: torch.save(learner.encoder.state_dict(), file)
    )


if __name__ == "__main__":
    run(
        train,
        __doc__,
        3000,
        5e-4,
        speech="the folder that training.voices and training.people wrote to",
        file="where the checkpoint is written",
    )
