"""A training that goes on where it was stopped."""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import Wav2Vec2Config

from novaspeech.models.fast.convolutions import ChannelsLastConvolutions

_SAY, _SAVE = 100, 500  # steps; the latter a multiple of the former
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)


class Taught(nn.Module):
    """A transformers model on a wav2vec 2.0, to which subclasses add what only its training needs."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    @property
    def wav2vec2(self) -> Any:
        return self.model.wav2vec2

    @property
    def config(self) -> Wav2Vec2Config:
        return self.model.config


class Training:
    """A model on its way, and how far it is.

    Args:
        model: with random weights; what it has of a `wav2vec2` is made faster.
        folder: of the result; what is needed to go on lies beside it, in `FOLDER.training`.
        steps: in all.
        rate: highest learning rate.

    Attributes:
        model: the convolutions of a `wav2vec2` are the faster ones until it is saved.
        step: how many are done.
        seconds: that they took.
    """

    def __init__(self, model: Any, folder: Path, steps: int, rate: float) -> None:
        self.model, self._steps = model, steps
        self._state = folder.with_name(f"{folder.name}.training")
        self._wav2vec2 = getattr(model, "wav2vec2", None)
        if self._wav2vec2 is not None:
            self._plain = self._wav2vec2.feature_extractor
            # Biases and norms are the same objects in both; a third of the time.
            self._wav2vec2.feature_extractor = ChannelsLastConvolutions(self._plain, model.config)
        self._optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
        self.step, self.seconds = 0, 0.0
        if self._state.exists():
            state = torch.load(self._state, weights_only=True)
            model.load_state_dict(state["model"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds = state["step"], state["seconds"]
        # Of the step alone: whoever goes on may do so to another number of steps.
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, rate, total_steps=steps, pct_start=0.05, last_epoch=self.step - 1
        )

    def go_on(
        self,
        batches: Any,
        loss_of: Callable[[Any], torch.Tensor],
        write: Callable[[Any], None],
        judged: Callable[[], str] = str,
    ) -> None:
        """Learns from all batches; says every hundred steps how far it is, and now and then keeps what there is.

        Args:
            batches: an `IterableDataset` of those that are left, made in a process of its own.
            loss_of: of a batch.
            write: see `save`.
            judged: what is said of the model when it is kept.
        """
        losses = []
        self.model.train()
        for batch in DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4):
            losses.append(self.learn(partial(loss_of, batch)))
            last = self.step == self._steps
            if self.step % _SAY == 0 or last:
                line = f"{self.step} steps, {self.seconds:.0f} s: loss {np.mean(losses[-_SAY:]):.3f}"
                if self.step % _SAVE == 0 or last:
                    line += judged()
                    self.save(write)
                print(line, flush=True)

    def learn(self, loss_of: Callable[[], torch.Tensor]) -> float:
        """One step; gives the loss."""
        torch.manual_seed(self.step)
        np.random.seed(self.step)  # noqa: NPY002 - transformers draws its masks from there
        start = time.perf_counter()
        loss = loss_of()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self._optimizer.step()
        self._schedule.step()
        self.step += 1
        self.seconds += time.perf_counter() - start
        return loss.item()

    def save(self, write: Callable[[Any], None]) -> None:
        """Keeps what is needed to go on, and has the model written."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        part = self._state.with_name(f"{self._state.name}.part")
        torch.save(state, part)
        part.replace(self._state)
        self.write(write)

    def write(self, write: Callable[[Any], None]) -> None:
        """Has the model written, with its convolutions as transformers has them."""
        if self._wav2vec2 is None:
            write(self.model)
            return
        fast = self._wav2vec2.feature_extractor
        with torch.no_grad():
            for layer, trained in zip(self._plain.conv_layers, fast.layers, strict=True):
                width, channels, kernel = layer.conv.weight.shape
                layer.conv.weight.copy_(trained.weight.reshape(kernel, channels, width).permute(2, 1, 0))
        self._wav2vec2.feature_extractor = self._plain
        write(self.model)
        self._wav2vec2.feature_extractor = fast


def keep_memory() -> None:
    """Has glibc keep what is freed: batches of other lengths else make it ask for fresh pages all the time."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            libc.mallopt(option, 2**30)


def run(train: Callable[..., None], description: str | None, steps: int, rate: float = 1e-3, **places: str) -> None:
    """Runs a training's command line.

    Args:
        train: takes the places, the steps, and the highest learning rate.
        steps, rate: which it takes if none are given.
        places: name of each → what it is.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, meaning in places.items():
        parser.add_argument(name, type=Path, help=meaning)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--rate", type=float, default=rate, help="highest learning rate")
    given = parser.parse_args()
    keep_memory()
    train(*(getattr(given, name) for name in places), given.steps, given.rate)
