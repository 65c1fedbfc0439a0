"""Frames of a recording: from long overlapping chunks, or in one pass of a `Hearer`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from novaspeech.arrays import BoolArray, FloatArray, bridged
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import WindowBatch, chunk_batches, usable_windows
from novaspeech.errors import RecordingError
from novaspeech.inference.encoder import FrameEncoder, Hearer
from novaspeech.inference.passes import Part, Span
from novaspeech.inference.pooling import FrameBlock


class ChunkReader:
    """Reads recordings in long overlapping chunks.

    Args:
        encoder: encoder of the chunks.
        chunk: seconds of a chunk.
        overlap: seconds at either end of a chunk that only give context; their frames are dropped.
        size: maximum number of chunks in a pass.
        ends: index of each recording's first frame that is not needed; None needs all.

    Attributes:
        most: samples of a pass.
    """

    def __init__(
        self, encoder: FrameEncoder, chunk: float, overlap: float, size: int, ends: Sequence[int] | None
    ) -> None:
        per_second = encoder.sampling_rate / encoder.frame_hop
        self._context, self._length = round(overlap * per_second), round(chunk * per_second)  # frames
        self._step = self._length - 2 * self._context
        self._encoder, self._size, self._ends = encoder, size, ends
        self.most = size * self._length * encoder.frame_hop

    def parts(self, number: int, recording: Recording) -> Iterator[Part]:
        """The chunks of a recording, with its statistics. The last one is shorter, and may share its pass.

        Straight lines replace NaN and infinite samples.
        """
        encoder, signal, front = self._encoder, recording.signal, self._encoder.model.front
        if signal.samples < encoder.frame_length:
            needed = -(-encoder.frame_length * 1000 // encoder.sampling_rate)
            raise RecordingError(f"{recording.name} has {recording.duration_ms} ms; this model needs {needed} ms")
        with encoder.compute.active():
            statistics = front.statistics_of(signal)
        hop, end = encoder.frame_hop, self._ends[number] if self._ends else None
        for first, batch, last in chunk_batches(signal, self._length * hop, self._step * hop, self._size):
            if last:
                used = front.samples_used(batch.length)
                batch = WindowBatch(batch.signal[:used], used, used)
            usable = _usable(batch.signal.numpy(), encoder)
            yield Part(number, first, replace(batch.bridged(), statistics=statistics), alone=not last, usable=usable)
            if end is not None and (first + len(batch)) * self._step + self._context >= end:
                return

    def blocks(self, spans: Sequence[Span], outputs: dict[str, torch.Tensor]) -> Iterator[tuple[int, FrameBlock]]:
        """Number of each recording and the kept frames of its chunks, all but the overlap where they have neighbours.

        Args:
            outputs: name → frames (B, F, D) of the chunks in a pass.
        """
        for part, chunks, within in spans:
            assert part.usable is not None
            last = not part.alone
            # A recording begins and ends with the chunks that have no neighbour there.
            begin, end = self._context if chunks.start else 0, None if last else self._context + self._step
            first, after = (self._step * (index - part.first) for index in (chunks.start, chunks.stop))  # in frames
            usable = part.usable[first + begin : None if last else after + self._context]
            values = {}
            for name, frames in outputs.items():
                earliest, *others = frames[within]
                kept = torch.cat([earliest[begin:end], *(chunk[self._context : end] for chunk in others)])
                values[name] = kept[: len(usable)]  # Whisper gives one frame more, which begins before the end
            yield part.number, FrameBlock(chunks.start * self._step + begin, values, usable, last)


def hearer_blocks(
    hearer: Hearer, names: Collection[str], number: int, recording: Recording
) -> Iterator[tuple[int, FrameBlock]]:
    """A recording's number and all its frames, in one pass; straight lines replace NaN and infinite samples."""
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
            yield number, before
        count = len(next(iter(outputs.values())))
        begin, length = done * hearer.frame_hop, (count - 1) * hearer.frame_hop + hearer.frame_length
        samples = signal.read(begin, min(begin + length, signal.samples))
        samples = np.append(samples, np.zeros(length - len(samples), np.float32))  # a last frame may reach beyond it
        before = FrameBlock(done, outputs, _usable(samples, hearer), last=False)
        done += count
    if before is None:
        raise RecordingError(f"{recording.name} has {recording.duration_ms} ms, too short for this model")
    yield number, replace(before, last=True)


def _usable(samples: FloatArray, model: FrameEncoder | Hearer) -> BoolArray:
    """(F,) bool: which frames of some samples (n,) are computed from finite ones only."""
    length, hop = model.frame_length, model.frame_hop
    return usable_windows(samples, (len(samples) - length) // hop + 1, length, hop)
