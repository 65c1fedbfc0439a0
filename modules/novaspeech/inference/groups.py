"""Groups of windows or chunks that share a pass: of one recording, or of several short ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import torch

from novaspeech.arrays import bridged
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import WindowBatch, chunk_batches, usable_windows, window_batches
from novaspeech.errors import NovaspeechError, RecordingError
from novaspeech.hooks import Log
from novaspeech.inference.encoder import Encoder, FrameEncoder, Hearer
from novaspeech.inference.pooling import FrameBlock

Job: TypeAlias = "tuple[Recording, WindowGrid]"
Refused: TypeAlias = "tuple[int, NovaspeechError]"  # number of a recording, and its error


@dataclass(frozen=True)
class Chunks:
    """Cutting of a recording into overlapping chunks.

    Attributes:
        seconds: length of a chunk. Speech models are trained on 30 s at the most.
        overlap: seconds at either end of a chunk that only give context; their frames are dropped.
    """

    seconds: float = 30.0
    overlap: float = 2.0


@dataclass(frozen=True)
class Group:
    """Windows or chunks that share a pass, and their recordings.

    Attributes:
        batch: the windows or chunks, side by side.
        spans: number of a recording, index of its first window or chunk, and how many follow each other.
    """

    batch: WindowBatch
    spans: list[tuple[int, int, int]]

    @classmethod
    def of(cls, parts: Sequence[tuple[int, int, WindowBatch]]) -> Group:
        """Joins parts: number of the recording, index of the first window or chunk in it, and their batch."""
        spans = [(number, first, len(batch)) for number, first, batch in parts]
        return cls(WindowBatch.joined([batch for _, _, batch in parts]), spans)

    def within(self, rows: slice) -> Iterator[tuple[int, slice, slice]]:
        """Rows of the batch by recording: its number, its windows or chunks, and their position within `rows`."""
        row = 0
        for number, first, count in self.spans:
            begin, end = max(rows.start, row), min(rows.stop, row + count)
            if begin < end:
                own = slice(first + begin - row, first + end - row)
                yield number, own, slice(begin - rows.start, end - rows.start)
            row += count


def window_groups(
    jobs: Sequence[Job], encoder: Encoder, batch_size: int, size: int, log: Log
) -> Iterator[Group | Refused]:
    """Windows with usable audio, in order; several recordings share a group if they fit into one pass.

    Args:
        batch_size: maximum number of windows that are read together.
        size: maximum number of windows in a pass.
        log: takes a line about what was found in a recording.
    """
    waiting: list[tuple[int, int, WindowBatch]] = []
    for number, (recording, grid) in enumerate(jobs):
        try:
            with encoder.compute.active():
                statistics = encoder.statistics_of(recording, log)
        except NovaspeechError as error:
            yield number, error
            continue
        for first, batch in window_batches(recording.signal, grid, batch_size, encoder.padding):
            count = sum(len(part) for _, _, part in waiting)
            if waiting and (waiting[-1][0] == number or count + len(batch) > size):
                yield Group.of(waiting)
                waiting = []
            waiting.append((number, first, replace(batch, statistics=statistics)))
    if waiting:
        yield Group.of(waiting)


@dataclass
class ChunkReader:
    """Reads recordings in long overlapping chunks.

    Attributes:
        encoder: encoder of the chunks.
        chunks: their length and overlap.
        size: maximum number of chunks in a pass.
        ends: index of each recording's first frame that is not needed; None needs all.
    """

    encoder: FrameEncoder
    chunks: Chunks
    size: int
    ends: Sequence[int] | None
    _last: dict[int, int] = field(default_factory=dict)  # number of a recording → index of its last chunk

    def __post_init__(self) -> None:
        per_second = self.encoder.sampling_rate / self.encoder.frame_hop
        seconds = self.chunks.overlap, self.chunks.seconds
        self._context, self._length = (round(one * per_second) for one in seconds)  # frames
        self._step = self._length - 2 * self._context

    def groups(self, recordings: Sequence[Recording]) -> Iterator[Group | Refused]:
        """Groups of chunks of one length. A recording's last chunk is shorter; those of equal length are together."""
        waiting: dict[int, list[tuple[int, int, WindowBatch]]] = {}
        most = self.size * self._length * self.encoder.frame_hop  # samples
        for number, recording in enumerate(recordings):
            try:
                for first, batch, last in self._read(number, recording):
                    if not last:
                        yield Group.of([(number, first, batch)])
                        continue
                    group = waiting.setdefault(batch.length, [])
                    if (len(group) + 1) * batch.length > most and group:
                        yield Group.of(group)
                        group.clear()
                    group.append((number, first, batch))
            except NovaspeechError as error:
                yield number, error
        yield from (Group.of(group) for group in waiting.values())

    def blocks(self, group: Group, rows: slice, outputs: dict[str, torch.Tensor]) -> Iterator[tuple[int, FrameBlock]]:
        """Number of each recording and the kept frames of its chunks; `outputs` has all frames of `rows`."""
        for number, chunks, within in group.within(rows):
            kept = [self._kept(number, chunk) for chunk in range(chunks.start, chunks.stop)]
            samples = group.batch[rows].windows[within].cpu().numpy()
            usable = [self._usable(chunk)[part] for chunk, part in zip(samples, kept, strict=True)]
            values = {
                name: torch.cat([chunk[part] for chunk, part in zip(frames[within], kept, strict=True)])
                for name, frames in outputs.items()
            }
            first, last = chunks.start * self._step + kept[0].start, kept[-1].stop is None
            yield number, FrameBlock(first, values, np.concatenate(usable), last)

    def _read(self, number: int, recording: Recording) -> Iterator[tuple[int, WindowBatch, bool]]:
        """Index of the first chunk, the chunks with the recording's statistics, and whether they are its last."""
        encoder, signal = self.encoder, recording.signal
        if signal.samples < encoder.frame_length:
            needed = -(-encoder.frame_length * 1000 // encoder.sampling_rate)
            raise RecordingError(f"{recording.name} has {recording.duration_ms} ms; this model needs {needed} ms")
        with encoder.compute.active():
            statistics = encoder.model.front.statistics_of(signal)
        hop, end = encoder.frame_hop, self.ends[number] if self.ends else None
        for first, batch, last in chunk_batches(signal, self._length * hop, self._step * hop, self.size):
            if last:
                self._last[number] = first
                used = encoder.model.front.samples_used(batch.length)
                batch = WindowBatch(batch.signal[:used], used, used)
            yield first, replace(batch, statistics=statistics), last
            if end is not None and (first + len(batch)) * self._step + self._context >= end:
                return

    def _kept(self, number: int, chunk: int) -> slice:
        """Kept frames of a chunk: all but the overlap at an end where it has a neighbour."""
        last = chunk == self._last.get(number)
        return slice(self._context if chunk else 0, None if last else self._context + self._step)

    def _usable(self, chunk: np.ndarray) -> np.ndarray:
        """(F,) bool: which frames of a chunk (N,) are computed from finite samples only."""
        length, hop = self.encoder.frame_length, self.encoder.frame_hop
        return usable_windows(chunk, (len(chunk) - length) // hop + 1, length, hop)


def hearer_blocks(recording: Recording, hearer: Hearer, names: Collection[str]) -> Iterator[FrameBlock]:
    """All frames of a recording in one pass of a `Hearer`; straight lines replace NaN and infinite samples."""
    signal, device, done = recording.signal, hearer.compute.device, 0

    def intact() -> Iterator[torch.Tensor]:
        for block in signal.blocks():
            yield torch.from_numpy(bridged(block, np.isfinite(block))).to(device)

    frames, before = hearer.hear(intact(), names), None
    while True:
        with hearer.compute.active():  # a yield inside would leave it on for the caller
            outputs = next(frames, None)
        if outputs is None:
            break
        if before is not None:
            yield before
        count = len(next(iter(outputs.values())))
        begin, length = done * hearer.frame_hop, (count - 1) * hearer.frame_hop + hearer.frame_length
        samples = signal.read(begin, min(begin + length, signal.samples))
        samples = np.append(samples, np.zeros(length - len(samples), np.float32))  # a last frame may reach beyond it
        usable = usable_windows(samples, count, hearer.frame_length, hearer.frame_hop)
        before = FrameBlock(done, outputs, usable, last=False)
        done += count
    if before is None:
        raise RecordingError(f"{recording.name} has {recording.duration_ms} ms, too short for this model")
    yield replace(before, last=True)
