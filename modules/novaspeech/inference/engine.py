"""Recordings → arrays: one way to run a model, for server, command line and Python."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import TypeAlias, TypeVar

import numpy as np
import torch

from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.audio.grid import WindowGrid, samples_per_ms
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import window_batches
from novaspeech.errors import ModelError, NovaspeechError, RequestError
from novaspeech.hooks import Log, Progress, ignore
from novaspeech.inference.chunks import ChunkReader, hearer_blocks
from novaspeech.inference.encoder import Encoder, FrameEncoder, Hearer, SpeechModel
from novaspeech.inference.passes import Part, Passes, check_rows, to_host
from novaspeech.inference.pooling import HIDDEN, FrameBlock, FramePool

# Maximum seconds of signal in one CPU pass, unless one window is longer. Linux promises memory that it lacks, and then
# kills the whole server before torch can report that memory is full.
CPU_SECONDS = 120
# Maximum windows in one CPU pass; larger batches only fall out of its caches: w2v-BERT 2.0 ran 1.2 times as fast with
# 25 windows at once as with 250.
CPU_WINDOWS = 25

T = TypeVar("T")
Read = TypeVar("Read")

Job: TypeAlias = "tuple[Recording, WindowGrid]"
Encoded: TypeAlias = "dict[str, Windows]"
# Windows of a recording: its number, their indices, their rows among the outputs, whether each has usable audio.
Outputs: TypeAlias = "tuple[list[tuple[int, slice, slice, BoolArray]], dict[str, torch.Tensor]]"
Refuse: TypeAlias = Callable[[int, NovaspeechError], None]  # takes a recording's number and its error


@dataclass(frozen=True)
class Windows:
    """An output over the windows of a grid.

    Attributes:
        values: (count, D) float32, row i for window i; zeros where there was no usable audio.
        usable: (count,) bool, whether each window had usable audio, and is no gap of the grid.
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
        context: "window" encodes each window on its own; "recording" encodes the recording once, to pool its frames.
        chunk: seconds of a recording's chunks with context="recording"; speech models are trained on 30 at the most.
        overlap: seconds at either end of a chunk that only give context; their frames are dropped.
    """

    encoder: SpeechModel
    batch_size: int = 250
    log: Log = print
    progress: Progress = ignore
    context: str = "window"
    chunk: float = 30.0
    overlap: float = 2.0

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

    def encode_all(self, jobs: Sequence[Job], names: Collection[str]) -> list[Encoded | NovaspeechError]:
        """`encode` of several recordings with windows of one length; shared passes change numbers by rounding only.

        Returns:
            the outputs of each recording, or its error.
        """
        found = _Found(self, [grid for _, grid in jobs], names)
        pools = self.context == "recording" or isinstance(self.encoder, Hearer)
        encoded = self._pooled_windows if pools else self._single_windows
        for spans, outputs in to_host(encoded(jobs, names, found.refuse) if names else ()):
            for number, rows, within, usable in spans:
                found.take(number, rows, {name: part[within] for name, part in outputs.items()}, usable)
        return found.results()

    def frames(self, recording: Recording, names: Collection[str]) -> Iterator[FrameBlock]:
        """All frames of a recording, in order, in the host's memory.

        A `FrameEncoder` encodes long overlapping chunks. Frames within `overlap` of a cut are dropped, and the
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
        for _, block in self._frame_blocks([recording], names, None, None):
            block = replace(block, values={name: rows.cpu() for name, rows in block.values.items()})
            for part in block.values.values():
                rows = np.where(block.usable[:, None], part, 0)
                check_rows(rows, block.first * step_ms, step_ms, encoder.compute)
            yield block

    def _single_windows(self, jobs: Sequence[Job], names: Collection[str], refuse: Refuse) -> Iterator[Outputs]:
        """Windows with usable audio, each encoded on its own; short recordings share passes."""
        encoder, length_ms = self.encoder, jobs[0][1].length_ms
        assert isinstance(encoder, Encoder)
        self._check_length(encoder, jobs[0][1])
        size = min(self.batch_size, encoder.max_batch or self.batch_size)
        if encoder.compute.on_cpu:
            size = min(size, CPU_WINDOWS, max(1, CPU_SECONDS * 1000 // length_ms))
        passes = Passes(encoder.encode, encoder.compute, names, size, "windows", self.log)
        most = size * length_ms * samples_per_ms(encoder.sampling_rate)
        for spans, outputs in passes.run(_each(jobs, partial(self._window_parts, encoder), refuse), most):
            yield [(part.number, rows, at, jobs[part.number][1].wanted(rows)) for part, rows, at in spans], outputs

    def _window_parts(self, encoder: Encoder, number: int, job: Job) -> Iterator[Part]:
        """A recording's windows with usable audio, in order, with what the encoder takes from the whole recording."""
        recording, grid = job
        with encoder.compute.active():
            statistics = encoder.statistics_of(recording, self.log)
        for first, batch in window_batches(recording.signal, grid, self.batch_size, encoder.padding):
            yield Part(number, first, replace(batch, statistics=statistics))

    def _pooled_windows(self, jobs: Sequence[Job], names: Collection[str], refuse: Refuse) -> Iterator[Outputs]:
        """Windows, as soon as all their frames are there, and the head's outputs for them."""
        encoder = self.encoder
        assert isinstance(encoder, (FrameEncoder, Hearer))
        pools = [FramePool(recording, grid, encoder) for recording, grid in jobs]
        ends = [pool.end for pool in pools]
        for number, block in self._frame_blocks([job[0] for job in jobs], [HIDDEN], ends, refuse):
            for pooled in pools[number].add(block):
                if len(pooled.usable):
                    with encoder.compute.active():
                        outputs = encoder.head(pooled.values.to(encoder.compute.device), names)
                    span = number, pooled.rows, slice(None), pooled.usable
                    yield [span], {name: outputs[name].float() for name in names}

    def _frame_blocks(
        self, recordings: Sequence[Recording], names: Collection[str], ends: Sequence[int] | None, refuse: Refuse | None
    ) -> Iterator[tuple[int, FrameBlock]]:
        """Number of a recording and its next frames, not checked, on the device; one block for its chunks of a pass.

        Args:
            ends: index of each recording's first frame that is not needed; None needs all.
        """
        encoder = self.encoder
        if isinstance(encoder, Hearer):
            yield from _each(recordings, partial(hearer_blocks, encoder, names), refuse)
            return
        assert isinstance(encoder, FrameEncoder)
        size = min(self.batch_size, encoder.max_chunks)
        reader = ChunkReader(encoder, self.chunk, self.overlap, size, ends)
        passes = Passes(encoder.frames, encoder.compute, names, size, "chunks", self.log)
        for spans, outputs in passes.run(_each(recordings, reader.parts, refuse), reader.most):
            yield from reader.blocks(spans, outputs)

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
    """Outputs of some recordings as they arrive, or their errors."""

    def __init__(self, inference: Inference, grids: Sequence[WindowGrid], names: Collection[str]) -> None:
        self._inference, self._grids, dimensions = inference, grids, inference.encoder.dimensions
        self._offsets = list(accumulate((grid.count for grid in grids), initial=0))
        self._values = [
            {name: np.zeros((grid.count, dimensions[name]), np.float32) for name in names} for grid in grids
        ]
        self._usable = [np.zeros(grid.count, bool) for grid in grids]
        self._errors: dict[int, NovaspeechError] = {}
        self._done = 0

    def take(self, number: int, rows: slice, outputs: Mapping[str, FloatArray], usable: BoolArray) -> None:
        """Stores outputs of windows `rows` of a recording; `usable` (n,) says which had usable audio."""
        stride_ms, compute = self._grids[number].stride_ms, self._inference.encoder.compute
        try:
            for name, part in outputs.items():
                values = np.where(np.reshape(usable, (-1, 1)), part, np.float32(0))
                check_rows(values, rows.start * stride_ms, stride_ms, compute)
                self._values[number][name][rows] = values
        except ModelError as error:
            self.refuse(number, error)
        self._usable[number][rows] = usable
        self._done = self._offsets[number] + rows.stop
        self._inference.progress(self._done, self._offsets[-1])

    def refuse(self, number: int, error: NovaspeechError) -> None:
        """Notes a recording's error; raises it if there is no other recording."""
        if len(self._grids) == 1:
            raise error
        self._errors.setdefault(number, error)

    def results(self) -> list[Encoded | NovaspeechError]:
        """The outputs of each recording, or its error. Windows without usable audio at the end are now done, too."""
        if self._done < self._offsets[-1]:
            self._inference.progress(self._offsets[-1], self._offsets[-1])
        return [
            self._errors.get(number) or {name: Windows(rows, usable) for name, rows in values.items()}
            for number, (values, usable) in enumerate(zip(self._values, self._usable, strict=True))
        ]


def _each(recordings: Sequence[T], read: Callable[[int, T], Iterator[Read]], refuse: Refuse | None) -> Iterator[Read]:
    """All that `read` gives of each recording, by its number; an error that `refuse` takes ends that recording only."""
    for number, recording in enumerate(recordings):
        try:
            yield from read(number, recording)
        except NovaspeechError as error:
            if refuse is None:
                raise
            refuse(number, error)
