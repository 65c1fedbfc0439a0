"""Recording → arrays. Here is what runs a model, the same for server, command line and Python."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch

from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import chunk_batches, usable_windows, window_batches
from novaspeech.errors import ModelError, RecordingError, RequestError
from novaspeech.hooks import Log, Progress, ignore_progress
from novaspeech.inference.encoder import Encoder, FrameEncoder
from novaspeech.inference.passes import Passes, check_rows, delivered, read_ahead, refuse_absurd
from novaspeech.inference.pooling import HIDDEN, FrameBlock, FramePool, Pooled

# Of signal in one pass on a CPU at the most, unless one window is longer: Linux gives out memory that is not there, and
# then ends the whole server, before torch could say that it is full.
CPU_SECONDS = 120


@dataclass(frozen=True)
class Chunks:
    """How a recording is cut that is encoded piece by piece.

    Attributes:
        seconds: of a chunk. 30 s is what speech models are trained on at the longest.
        overlap: seconds of its start and of its end that are heard, and whose frames are not used.
    """

    seconds: float = 30.0
    overlap: float = 2.0


@dataclass(frozen=True)
class Windows:
    """An output over the windows of a grid.

    Attributes:
        values: (count, D) float32, row i for window i; zeros where there was no usable audio.
        usable: (count,) bool, which windows had usable audio.
    """

    values: FloatArray
    usable: BoolArray


@dataclass(frozen=True)
class Inference:
    """Runs an encoder over recordings; while it works on one batch, the next is read.

    Attributes:
        encoder: the model.
        batch_size: the most windows, or chunks, in one pass through it.
        log: takes a line about what the user should know.
        progress: called with the windows done and their total.
        chunks: how a recording is cut that is encoded once.
        once: whether `encode` encodes the recording once, and not each window.
    """

    encoder: Encoder
    batch_size: int = 250
    log: Log = print
    progress: Progress = ignore_progress
    chunks: Chunks = Chunks()
    once: bool = False

    def encode(self, recording: Recording, grid: WindowGrid, names: Collection[str]) -> dict[str, Windows]:
        """`pooled` or `windows`, as `once` says."""
        return (self.pooled if self.once else self.windows)(recording, grid, names)

    def windows(self, recording: Recording, grid: WindowGrid, names: Collection[str]) -> dict[str, Windows]:
        """Each window of `grid` encoded on its own.

        Args:
            names: the outputs wanted, of those in `encoder.dimensions`.

        Raises:
            RequestError: the windows are too short for the model, or longer than the encoder's `max_length_ms`.
            RecordingError: the recording cannot be read to its end, or holds numbers that are no sound.
            ModelError: usable audio gave NaN or infinite values, or one window does not fit into memory.
        """
        values = {name: np.zeros((grid.count, self.encoder.dimensions[name]), np.float32) for name in names}
        usable = np.zeros(grid.count, bool)
        if names:
            self._check_length(grid)
            with self.encoder.compute.active():
                encoder = self.encoder.prepared_for(recording, self.log)
            size = self.windows_at_once(grid.length_ms)
            passes = Passes(encoder.encode, encoder.compute, names, size, "windows", self.log)
            blocks = refuse_absurd(recording, encoder.sampling_rate)
            batches = window_batches(blocks, grid, encoder.sampling_rate, self.batch_size, padding=encoder.padding)
            parts = (part for first, batch in read_ahead(batches) for part in passes.run(first, batch))
            with _blaming(recording, encoder):
                for rows, outputs in delivered(parts):
                    for name, part in outputs.items():
                        check_rows(part, rows.start * grid.stride_ms, grid.stride_ms, encoder.compute)
                        values[name][rows] = part
                    usable[rows] = True
                    self.progress(rows.stop, grid.count)
        if not usable[-1]:
            self.progress(grid.count, grid.count)
        return {name: Windows(rows, usable) for name, rows in values.items()}

    def frames(self, recording: Recording, names: Collection[str]) -> Iterator[FrameBlock]:
        """All frames of a recording, in order, from long overlapping chunks of it.

        Of each chunk the frames are kept that are `chunks.overlap` from its ends, so that they hang together. Which
        chunks there are depends on the recording alone, not on `batch_size`. A straight line stands in for samples that
        are NaN or infinite; frames that hear them are not usable.

        Args:
            names: the frames wanted, of those that the `FrameEncoder` has.

        Raises:
            RecordingError: the recording cannot be read to its end, is shorter than a frame, or holds numbers that are
                no sound.
            ModelError: usable audio gave NaN or infinite values, or one chunk does not fit into memory.
        """
        encoder = self.encoder
        assert isinstance(encoder, FrameEncoder)
        for block in self._frames(recording, names):
            block = replace(block, values={name: rows.cpu() for name, rows in block.values.items()})
            with _blaming(recording, encoder):
                _check_frames(block, encoder)
            yield block

    def _frames(self, recording: Recording, names: Collection[str]) -> Iterator[FrameBlock]:
        """`frames` on the device, not checked, all chunks of a pass in one block."""
        assert isinstance(self.encoder, FrameEncoder)
        with self.encoder.compute.active():
            encoder = self.encoder.for_chunks_of(recording)
        per_second, hop = encoder.sampling_rate / encoder.frame_hop, encoder.frame_hop
        context, length = (round(seconds * per_second) for seconds in (self.chunks.overlap, self.chunks.seconds))
        step, size = length - 2 * context, self._size(encoder.max_chunks)
        passes = Passes(encoder.frames, encoder.compute, names, size, "chunks", self.log)
        blocks = refuse_absurd(recording, encoder.sampling_rate)
        for first, batch, last in read_ahead(chunk_batches(blocks, length * hop, step * hop, size)):
            if batch.length < encoder.frame_length:
                needed = -(-encoder.frame_length * 1000 // encoder.sampling_rate)
                raise RecordingError(f"{recording.name} has {recording.duration_ms} ms; this model needs {needed} ms")
            for rows, outputs in passes.run(first, batch.bridged()):
                end = None if last else context + step
                kept = [slice(context if chunk else 0, end) for chunk in range(rows.start, rows.stop)]
                heard = batch.windows[rows.start - first : rows.stop - first]
                usable = [_usable_frames(chunk.numpy(), encoder)[part] for chunk, part in zip(heard, kept, strict=True)]
                values = {
                    name: torch.cat([chunk[part] for chunk, part in zip(frames, kept, strict=True)])
                    for name, frames in outputs.items()
                }
                yield FrameBlock(rows.start * step + kept[0].start, values, np.concatenate(usable), last)

    def pooled(self, recording: Recording, grid: WindowGrid, names: Collection[str]) -> dict[str, Windows]:
        """The recording encoded once in long chunks; each window pools the frames whose middle lies in it.

        Args:
            names: the outputs wanted, of those in `encoder.dimensions`.

        Raises:
            RecordingError, ModelError: as `frames`.
        """
        if not names:
            return {}
        encoder = self.encoder
        assert isinstance(encoder, FrameEncoder)
        values = {name: np.zeros((grid.count, encoder.dimensions[name]), np.float32) for name in names}
        usable = np.zeros(grid.count, bool)
        for found, outputs in delivered(self._heads(recording, FramePool(recording, grid, encoder), names)):
            usable[found.rows] = found.usable
            for name, rows in values.items():
                rows[found.rows] = outputs[name]
                rows[found.rows][~found.usable] = 0
                with _blaming(recording, encoder):
                    check_rows(rows[found.rows], found.rows.start * grid.stride_ms, grid.stride_ms, encoder.compute)
            self.progress(found.rows.stop, grid.count)
        return {name: Windows(rows, usable) for name, rows in values.items()}

    def _heads(
        self, recording: Recording, pool: FramePool, names: Collection[str]
    ) -> Iterator[tuple[Pooled, dict[str, torch.Tensor]]]:
        """Windows as they have all their frames, and what the head makes of them."""
        encoder = self.encoder
        assert isinstance(encoder, FrameEncoder)

        def windows() -> Iterator[Pooled]:
            for block in self._frames(recording, [HIDDEN]):
                yield pool.add(block)
                if block.end >= pool.end:
                    break
            yield pool.finish()

        for found in windows():
            if len(found.usable):
                with encoder.compute.active():
                    outputs = encoder.head(found.values.to(encoder.compute.device), names)
                yield found, {name: outputs[name].float() for name in names}

    def _size(self, most: int | None) -> int:
        return min(self.batch_size, most or self.batch_size)

    def windows_at_once(self, length_ms: int) -> int:
        """The most windows of a length in one pass."""
        size = self._size(self.encoder.max_batch)
        return min(size, max(1, CPU_SECONDS * 1000 // length_ms)) if self.encoder.compute.on_cpu else size

    def _check_length(self, grid: WindowGrid) -> None:
        needed, most = self.encoder.min_length_ms, self.encoder.max_length_ms
        windows = (
            f"windows of {grid.length_ms} ms (frame {grid.frame_ms}, left {grid.left_ms}, right {grid.right_ms}) are"
        )
        if grid.length_ms < needed:
            raise RequestError(
                f"{windows} too short for this model, which needs {needed} ms; make the frame or a context longer"
            )
        if grid.length_ms > most:
            raise RequestError(
                f"{windows} too long for this module, which takes {most} ms; make the frame or a context shorter"
            )


@contextmanager
def _blaming(recording: Recording, encoder: Encoder) -> Iterator[None]:
    """Looks for what is wrong in the recording, all of it, before the model is said to be.

    One absurd sample may reach windows far from it, where an encoder takes something from the whole recording.
    """
    try:
        yield
    except ModelError:
        for _ in refuse_absurd(recording, encoder.sampling_rate):
            pass
        raise


def _check_frames(block: FrameBlock, encoder: FrameEncoder) -> None:
    """Raises ModelError if a usable frame has NaN or infinite values."""
    step_ms = 1000 * encoder.frame_seconds
    for part in block.values.values():
        check_rows(np.where(block.usable[:, None], part, 0), block.first * step_ms, step_ms, encoder.compute)


def _usable_frames(chunk: FloatArray, encoder: FrameEncoder) -> BoolArray:
    """(F,) bool: which frames of a chunk (N,) hear finite samples only."""
    count = (len(chunk) - encoder.frame_length) // encoder.frame_hop + 1
    return usable_windows(chunk, count, encoder.frame_length, encoder.frame_hop)
