"""Short recordings that share passes: alone, each would cost a pass that is hardly filled."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from novaspeech.arrays import FloatArray
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import WindowBatch, sent, window_batches
from novaspeech.errors import NovaspeechError
from novaspeech.inference.encoder import Encoder, FrameEncoder
from novaspeech.inference.engine import Inference, Windows
from novaspeech.inference.passes import Passes, read_ahead, refuse_absurd, to_numpy
from novaspeech.inference.pooling import HIDDEN, FrameBlock, FramePool, Pooled

Clip: TypeAlias = "tuple[Recording, WindowGrid]"
Encoded: TypeAlias = "dict[str, Windows]"


@dataclass(frozen=True)
class ClipBatch:
    """Whole recordings of about one length: of the same number of frames.

    Attributes:
        signals: (n,) float32 each; those of one length are neighbours.
    """

    signals: tuple[torch.Tensor, ...]

    @property
    def length(self) -> int:
        """Samples of the longest."""
        return max(len(signal) for signal in self.signals)

    @property
    def batches(self) -> list[WindowBatch]:
        """Those of one length as windows side by side."""
        groups = (list(group) for _, group in itertools.groupby(self.signals, len))
        return [WindowBatch(torch.cat(group), len(group[0]), len(group[0])) for group in groups]

    def __len__(self) -> int:
        return len(self.signals)

    def __getitem__(self, part: slice) -> ClipBatch:
        return ClipBatch(self.signals[part])

    def to(self, device: torch.device) -> ClipBatch:
        """A copy with its signals on `device`."""
        lengths = [len(signal) for signal in self.signals]
        return ClipBatch(torch.split_with_sizes(sent(torch.cat(self.signals), device), lengths))


def encode_together(inference: Inference, clips: Sequence[Clip], names: Collection[str]) -> list[Encoded | None]:
    """What `Inference.encode` gives of each recording, several of them in one pass; the numbers differ by rounding.

    Args:
        clips: recordings and their windows, all of one length.
        names: outputs of the encoder.

    Returns:
        for each recording its outputs; None where it has to be encoded alone: it fills passes by itself, is damaged,
        holds NaN, or the encoder takes something from the whole of it.
    """
    shared: _Windows | _Recordings | None = None
    if names and inference.once:
        shared = _Recordings(inference, clips, names)
    elif names and type(inference.encoder).prepared_for is Encoder.prepared_for:
        shared = _Windows(inference, clips, names)
    return shared.run() if shared else [None] * len(clips)


class _Windows:
    """Windows of several recordings, each encoded on its own."""

    def __init__(self, inference: Inference, clips: Sequence[Clip], names: Collection[str]) -> None:
        encoder = inference.encoder
        self._clips, self._names, self._encoder = clips, names, encoder
        self._size = inference.windows_at_once(clips[0][1].length_ms)
        self._passes = Passes(encoder.encode, encoder.compute, names, self._size, "windows", inference.log)

    def run(self) -> list[Encoded | None]:
        found: list[Encoded | None] = [None] * len(self._clips)
        waiting: list[tuple[int, np.ndarray, torch.Tensor]] = []
        for number, places, windows in read_ahead(self._read()):
            if sum(len(places) for _, places, _ in waiting) + len(places) > self._size:
                self._flush(waiting, found)
            waiting.append((number, places, windows))
        self._flush(waiting, found)
        return found

    def _read(self) -> Iterator[tuple[int, np.ndarray, torch.Tensor]]:
        """Number of each recording that can share, and its usable windows: their places (n,) and signal (n, length)."""
        encoder = self._encoder
        for number, (recording, grid) in enumerate(self._clips):
            if grid.count > self._size // 2 or not encoder.min_length_ms <= grid.length_ms <= encoder.max_length_ms:
                continue
            try:
                blocks = refuse_absurd(recording, encoder.sampling_rate)
                parts = list(window_batches(blocks, grid, encoder.sampling_rate, grid.count, padding=encoder.padding))
            except NovaspeechError:  # said by who encodes it alone
                continue
            if parts:
                places = np.concatenate([np.arange(first, first + len(batch)) for first, batch in parts])
                yield number, places, torch.cat([batch.windows for _, batch in parts])

    def _flush(self, waiting: list[tuple[int, np.ndarray, torch.Tensor]], found: list[Encoded | None]) -> None:
        if not waiting:
            return
        together = torch.cat([windows for _, _, windows in waiting])
        batch = WindowBatch(together.reshape(-1), together.shape[1], together.shape[1])
        parts = [{name: to_numpy(rows) for name, rows in outputs.items()} for _, outputs in self._passes.run(0, batch)]
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in self._names}
        done = 0
        for number, places, _ in waiting:
            rows = slice(done, done := done + len(places))
            found[number] = _placed({name: part[rows] for name, part in outputs.items()}, places, self._clips[number])
        waiting.clear()


class _Recordings:
    """Recordings that are each encoded as a whole."""

    def __init__(self, inference: Inference, clips: Sequence[Clip], names: Collection[str]) -> None:
        encoder = inference.encoder
        assert isinstance(encoder, FrameEncoder)
        self._clips, self._names, self._encoder = clips, names, encoder
        chunk = round(inference.chunks.seconds * encoder.sampling_rate)
        self._longest, self._most = chunk // 2, chunk * min(inference.batch_size, encoder.max_chunks)
        self._passes = Passes(encoder.frames_of, encoder.compute, [HIDDEN], len(clips), "recordings", inference.log)

    def run(self) -> list[Encoded | None]:
        found: list[Encoded | None] = [None] * len(self._clips)
        waiting: dict[int, list[tuple[int, torch.Tensor]]] = {}  # by their number of frames
        for number, signal in read_ahead(self._read()):
            group = waiting.setdefault(self._encoder.model.front.frame_count(len(signal)), [])
            if (len(group) + 1) * len(signal) > self._most:
                self._flush(group, found)
            group.append((number, signal))
        for group in waiting.values():
            self._flush(group, found)
        return found

    def _read(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Number of each recording that can share, and its signal (n,)."""
        encoder = self._encoder
        for number, (recording, _) in enumerate(self._clips):
            if recording.samples * encoder.sampling_rate > self._longest * recording.rate:
                continue
            try:
                signal = np.concatenate(list(refuse_absurd(recording, encoder.sampling_rate)))
            except (NovaspeechError, ValueError):  # said by who encodes it alone; no blocks at all
                continue
            if encoder.frame_length <= len(signal) <= self._longest and np.isfinite(signal).all():
                yield number, torch.from_numpy(signal)

    def _flush(self, group: list[tuple[int, torch.Tensor]], found: list[Encoded | None]) -> None:
        if not group:
            return
        encoder = self._encoder
        group.sort(key=lambda item: len(item[1]))
        frames = torch.cat(
            [outputs[HIDDEN] for _, outputs in self._passes.run(0, ClipBatch(tuple(signal for _, signal in group)))]
        )
        numbers = [number for number, _ in group]
        pooled = [self._pooled(number, rows) for number, rows in zip(numbers, frames, strict=True)]
        with encoder.compute.active():
            values = torch.cat([part.values for part in pooled]).to(encoder.compute.device)
            outputs = {name: to_numpy(rows) for name, rows in encoder.head(values, self._names).items()}
        done = 0
        for number, part in zip(numbers, pooled, strict=True):
            rows, places = slice(done, done := done + len(part.usable)), np.flatnonzero(part.usable)
            kept = {name: outputs[name][rows][part.usable] for name in self._names}
            found[number] = _placed(kept, places, self._clips[number])
        group.clear()

    def _pooled(self, number: int, frames: torch.Tensor) -> Pooled:
        """All windows of a recording, from its frames (F, D)."""
        recording, grid = self._clips[number]
        pool = FramePool(recording, grid, self._encoder)
        parts = [pool.add(FrameBlock(0, {HIDDEN: frames}, np.ones(len(frames), bool), True)), pool.finish()]
        values = torch.cat([part.values for part in parts if len(part.usable)])
        return Pooled(slice(0, grid.count), values, np.concatenate([part.usable for part in parts]))


def _placed(outputs: dict[str, FloatArray], places: np.ndarray, clip: Clip) -> Encoded | None:
    """The rows of usable windows in their places; None if there is a number that is none, which has to be explained."""
    if not all(np.isfinite(rows).all() for rows in outputs.values()):
        return None
    count = clip[1].count
    usable = np.zeros(count, bool)
    usable[places] = True
    found = {}
    for name, rows in outputs.items():
        values = np.zeros((count, rows.shape[1]), np.float32)
        values[places] = rows
        found[name] = Windows(values, usable)
    return found
