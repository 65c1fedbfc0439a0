"""Recordings → arrays: one way to run a model, for server, command line and Python."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TypeAlias

import numpy as np
import torch

from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.errors import ModelError, NovaspeechError, RequestError
from novaspeech.hooks import Log, Progress, ignore_progress
from novaspeech.inference.encoder import Encoder, FrameEncoder, Hearer, SpeechModel
from novaspeech.inference.groups import ChunkReader, Chunks, Group, Job, hearer_blocks, window_groups
from novaspeech.inference.passes import Passes, check_rows, to_host
from novaspeech.inference.pooling import HIDDEN, FrameBlock, FramePool, Pooled

# Maximum seconds of signal in one CPU pass, unless one window is longer. Linux promises memory that it lacks, and then
# kills the whole server before torch can report that memory is full.
CPU_SECONDS = 120

Encoded: TypeAlias = "dict[str, Windows]"


@dataclass(frozen=True)
class Windows:
    """An output over the windows of a grid.

    Attributes:
        values: (count, D) float32, row i for window i; zeros where there was no usable audio.
        usable: (count,) bool, whether each window had usable audio.
    """

    values: FloatArray
    usable: BoolArray


@dataclass(frozen=True)
class Inference:
    """Runs a model over one recording or over several; short ones share passes.

    Attributes:
        encoder: the model.
        batch_size: maximum number of windows or chunks in one pass.
        log: takes a line about what the user should know.
        progress: called with the windows done and their total.
        chunks: length and overlap of a recording's chunks with context="recording".
        context: "window" encodes each window on its own; "recording" encodes the recording once, to pool its frames.
    """

    encoder: SpeechModel
    batch_size: int = 250
    log: Log = print
    progress: Progress = ignore_progress
    chunks: Chunks = field(default_factory=Chunks)
    context: str = "window"

    def encode(self, recording: Recording, grid: WindowGrid, names: Collection[str]) -> Encoded:
        """Outputs over the windows of a recording.

        Args:
            names: wanted outputs, of those in `encoder.dimensions`.

        Raises:
            RequestError: the windows are too short for the model, or longer than the encoder's `max_length_ms`.
            RecordingError: the recording is shorter than a frame of the model.
            ModelError: usable audio gave NaN or infinite values, or one window or chunk does not fit into memory.
        """
        [found] = self.encode_all([(recording, grid)], names)
        if isinstance(found, NovaspeechError):
            raise found
        return found

    def windows(self, recording: Recording, grid: WindowGrid, names: Collection[str]) -> Encoded:
        """`encode` with each window on its own, whatever `context` says."""
        return replace(self, context="window").encode(recording, grid, names)

    def pooled(self, recording: Recording, grid: WindowGrid, names: Collection[str]) -> Encoded:
        """`encode` with the recording encoded once: each window pools the frames whose middle lies in it."""
        return replace(self, context="recording").encode(recording, grid, names)

    def encode_all(self, jobs: Sequence[Job], names: Collection[str]) -> list[Encoded | NovaspeechError]:
        """`encode` of several recordings with windows of one length; shared passes change numbers by rounding only.

        Returns:
            the outputs of each recording, or its error.
        """
        offsets = list(accumulate((grid.count for _, grid in jobs), initial=0))
        found = [_Found(self, job[1], names, offset, offsets[-1]) for job, offset in zip(jobs, offsets, strict=False)]
        if names and (self.context == "recording" or isinstance(self.encoder, Hearer)):
            self._pool(jobs, names, found)
        elif names:
            self._encode_windows(jobs, names, found)
        for one in found:
            one.finish()
        return [one.result for one in found]

    def frames(self, recording: Recording, names: Collection[str]) -> Iterator[FrameBlock]:
        """All frames of a recording, in order, in the host's memory.

        A `FrameEncoder` encodes long overlapping chunks. Frames within `chunks.overlap` of a cut are dropped, and the
        others follow each other without a gap. Chunks depend on the recording alone, not on `batch_size`. Straight
        lines replace NaN and infinite samples; frames computed from them are not usable.

        Args:
            names: wanted frames, of those that the `FrameEncoder` or `Hearer` has.

        Raises:
            RecordingError: the recording is shorter than a frame.
            ModelError: usable audio gave NaN or infinite values, or one chunk does not fit into memory.
        """
        encoder = self.encoder
        assert isinstance(encoder, (FrameEncoder, Hearer))
        step_ms = 1000 * encoder.frame_seconds
        for _, block in self._frame_blocks([recording], names, None):
            if isinstance(block, NovaspeechError):
                raise block
            block = replace(block, values={name: rows.cpu() for name, rows in block.values.items()})
            for part in block.values.values():
                rows = np.where(block.usable[:, None], part, 0)
                check_rows(rows, block.first * step_ms, step_ms, encoder.compute)
            yield block

    def _encode_windows(self, jobs: Sequence[Job], names: Collection[str], found: Sequence[_Found]) -> None:
        encoder, grid = self.encoder, jobs[0][1]
        assert isinstance(encoder, Encoder)
        self._check_length(encoder, grid)
        size = self.windows_at_once(grid.length_ms)
        passes = Passes(encoder.encode, encoder.compute, names, size, "windows", self.log)

        def parts() -> Iterator[tuple[tuple[Group, slice], dict[str, torch.Tensor]]]:
            for group in window_groups(jobs, encoder, self.batch_size, size, self.log):
                if isinstance(group, tuple):
                    found[group[0]].refuse(group[1])
                    continue
                for rows, outputs in passes.run(group.batch):
                    yield (group, rows), outputs

        for (group, rows), outputs in to_host(parts()):
            for number, own, within in group.within(rows):
                found[number].take(own, {name: part[within] for name, part in outputs.items()})

    def _pool(self, jobs: Sequence[Job], names: Collection[str], found: Sequence[_Found]) -> None:
        for (number, pooled), outputs in to_host(self._heads(jobs, names, found)):
            values = {name: np.where(pooled.usable[:, None], part, np.float32(0)) for name, part in outputs.items()}
            found[number].take(pooled.rows, values, pooled.usable)

    def _heads(
        self, jobs: Sequence[Job], names: Collection[str], found: Sequence[_Found]
    ) -> Iterator[tuple[tuple[int, Pooled], dict[str, torch.Tensor]]]:
        """Windows, as soon as all their frames are there, and the head's outputs for them."""
        encoder = self.encoder
        assert isinstance(encoder, (FrameEncoder, Hearer))
        pools = [FramePool(recording, grid, encoder) for recording, grid in jobs]
        for number, block in self._frame_blocks([job[0] for job in jobs], [HIDDEN], [pool.end for pool in pools]):
            if isinstance(block, NovaspeechError):
                found[number].refuse(block)
                continue
            for pooled in pools[number].add(block):
                if len(pooled.usable):
                    with encoder.compute.active():
                        outputs = encoder.head(pooled.values.to(encoder.compute.device), names)
                    yield (number, pooled), {name: outputs[name].float() for name in names}

    def _frame_blocks(
        self, recordings: Sequence[Recording], names: Collection[str], ends: Sequence[int] | None
    ) -> Iterator[tuple[int, FrameBlock | NovaspeechError]]:
        """Number of a recording and its next frames, not checked, on the device; one block for its chunks of a pass.

        Args:
            ends: index of each recording's first frame that is not needed; None needs all.
        """
        encoder = self.encoder
        if isinstance(encoder, Hearer):
            for number, recording in enumerate(recordings):
                yield from ((number, block) for block in hearer_blocks(recording, encoder, names))
            return
        assert isinstance(encoder, FrameEncoder)
        reader = ChunkReader(encoder, self.chunks, min(self.batch_size, encoder.max_chunks), ends)
        passes = Passes(encoder.frames, encoder.compute, names, reader.size, "chunks", self.log)
        for group in reader.groups(recordings):
            if isinstance(group, tuple):
                yield group
                continue
            for rows, outputs in passes.run(group.batch.bridged()):
                yield from reader.blocks(group, rows, outputs)

    def windows_at_once(self, length_ms: int) -> int:
        """Maximum number of windows of this length in one pass."""
        assert isinstance(self.encoder, Encoder)
        size = min(self.batch_size, self.encoder.max_batch or self.batch_size)
        return min(size, max(1, CPU_SECONDS * 1000 // length_ms)) if self.encoder.compute.on_cpu else size

    @staticmethod
    def _check_length(encoder: Encoder, grid: WindowGrid) -> None:
        needed, most = encoder.min_length_ms, encoder.max_length_ms
        windows = f"windows of {grid.length_ms} ms (frame {grid.frame_ms}, left {grid.left_ms}, right {grid.right_ms})"
        if grid.length_ms < needed:
            raise RequestError(
                f"{windows} are too short for this model, which needs {needed} ms; make the frame or a context longer"
            )
        if grid.length_ms > most:
            raise RequestError(
                f"{windows} are too long for this module, which takes {most} ms; make the frame or a context shorter"
            )


class _Found:
    """Outputs of one recording as they arrive, or its error; `offset` windows come before it, of `total` in all."""

    def __init__(self, inference: Inference, grid: WindowGrid, names: Collection[str], offset: int, total: int) -> None:
        self._inference, self._grid, self._offset, self._total = inference, grid, offset, total
        dimensions = inference.encoder.dimensions
        self._values = {name: np.zeros((grid.count, dimensions[name]), np.float32) for name in names}
        self._usable, self._done = np.zeros(grid.count, bool), 0
        self._error: NovaspeechError | None = None

    @property
    def result(self) -> Encoded | NovaspeechError:
        return self._error or {name: Windows(rows, self._usable) for name, rows in self._values.items()}

    def take(self, rows: slice, outputs: dict[str, FloatArray], usable: BoolArray | None = None) -> None:
        """Stores the outputs of windows `rows`; `usable` (n,) says which had usable audio, None that all had."""
        stride_ms, compute = self._grid.stride_ms, self._inference.encoder.compute
        try:
            for name, part in outputs.items():
                check_rows(part, rows.start * stride_ms, stride_ms, compute)
                self._values[name][rows] = part
        except ModelError as error:
            self.refuse(error)
        self._usable[rows] = True if usable is None else usable
        self._done = rows.stop
        self._inference.progress(self._offset + rows.stop, self._total)

    def finish(self) -> None:
        """Reports that windows without usable audio at the end are done, too."""
        if self._done < self._grid.count:
            self._inference.progress(self._offset + self._grid.count, self._total)

    def refuse(self, error: NovaspeechError) -> None:
        """Notes the error; raises it if there is no other recording."""
        if self._total == self._grid.count:
            raise error
        self._error = self._error or error
