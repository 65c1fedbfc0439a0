"""Recording × encoder → frames, from long overlapping chunks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from novaspeech.audio.buffer import BoolArray, FloatArray, PaddedSignal, WindowBatch, usable_windows
from novaspeech.audio.recording import Recording
from novaspeech.errors import RecordingError
from novaspeech.inference.encoder import ChunkEncoder, float32_products
from novaspeech.inference.engine import Runner, check_finite, read_ahead

CHUNK_SECONDS = 30  # of a recording that is encoded piece by piece: what speech models are trained on at the longest
CONTEXT_SECONDS = 3  # of a chunk's start and end, heard but not used


@dataclass(frozen=True)
class FrameBlock:
    """Consecutive frames of a recording.

    Attributes:
        first: index of the first.
        values: output's name → (F, D) float32.
        usable: (F,), which frames heard finite samples only.
        last: whether the recording ends with them.
    """

    first: int
    values: dict[str, FloatArray]
    usable: BoolArray
    last: bool

    def until(self, end: int) -> FrameBlock:
        """Those before frame `end`, as the last ones if it lies within the block."""
        count = end - self.first
        if count >= len(self.usable):
            return replace(self, last=self.last or count == len(self.usable))
        values = {name: rows[:count] for name, rows in self.values.items()}
        return FrameBlock(self.first, values, self.usable[:count], True)


def encode_frames(
    recording: Recording,
    encoder: ChunkEncoder,
    names: Sequence[str],
    *,
    batch_size: int,
    precision: str = "auto",
    log: Callable[[str], None] = print,
) -> Iterator[FrameBlock]:
    """All frames of a recording, in order; while the encoder works, the next chunks are read.

    Of each chunk the frames are kept that are `CONTEXT_SECONDS` from its ends, so that they hang together. Which chunks
    there are depends on the recording alone, not on `batch_size`.

    Args:
        names: the outputs wanted, of those in `encoder.dimensions`.
        batch_size: the most chunks in one pass through the model.
        precision: the option of that name.
        log: takes a line about what the user should know.

    Raises:
        RecordingError: the recording cannot be read to its end.
        ModelError: usable audio gave NaN or infinite values.
    """
    per_second = encoder.sampling_rate // encoder.frame_hop
    context, step = CONTEXT_SECONDS * per_second, (CHUNK_SECONDS - 2 * CONTEXT_SECONDS) * per_second
    frame_ms = 1000 * encoder.frame_hop / encoder.sampling_rate
    with torch.inference_mode():
        encoder = encoder.adapted(recording, log)
    blocks = recording.blocks(encoder.sampling_rate)
    size = min(batch_size, encoder.best_batch or batch_size)
    chunks = _chunks(blocks, (2 * context + step) * encoder.frame_hop, step * encoder.frame_hop, size)
    runner = Runner(encoder, names, size, log)
    for first, batch, last in read_ahead(chunks):
        if batch.length < encoder.frame_length:
            needed = -(-encoder.frame_length * 1000 // encoder.sampling_rate)
            raise RecordingError(f"{recording.name} has {recording.duration_ms} ms; this model needs {needed} ms")
        with torch.inference_mode(), float32_products(precision, encoder.device):
            passes = list(runner.run(first, batch))
        values = {
            name: np.concatenate([outputs[name].float().cpu().numpy() for _, outputs in passes]) for name in names
        }
        for row in range(len(batch)):
            chunk = first + row
            begin, end = (context if chunk else 0), (None if last else context + step)
            windows = batch.windows[row].numpy()
            frames = (batch.length - encoder.frame_length) // encoder.frame_hop + 1
            usable = usable_windows(windows, frames, encoder.frame_length, encoder.frame_hop)[begin:end]
            block = FrameBlock(
                chunk * step + begin, {name: rows[row, begin:end] for name, rows in values.items()}, usable, last
            )
            for rows in block.values.values():
                check_finite(rows[usable], block.first * frame_ms, frame_ms, precision)
            yield block


def _chunks(
    blocks: Iterator[FloatArray], length: int, hop: int, batch_size: int
) -> Iterator[tuple[int, WindowBatch, bool]]:
    """Chunks of `length` samples, one every `hop`, the last one as long as the recording is.

    Yields:
        index of the first chunk, the chunks, and whether they are the last one, which comes alone.
    """
    source, first = PaddedSignal(blocks, 0, "zeros"), 0
    while True:
        start = first * hop
        # One sample more tells whether the recording goes on.
        signal = torch.from_numpy(source.read(start, start + (batch_size - 1) * hop + length + 1).copy())
        inner = batch_size
        if source.total is not None:
            inner = min(batch_size, max(0, -((length + start - source.total) // hop)))
        if inner:
            yield first, WindowBatch(signal[: (inner - 1) * hop + length], length, hop), False
        first += inner
        if inner < batch_size:
            assert source.total is not None
            rest = signal[inner * hop : source.total - start]
            yield first, WindowBatch(rest, len(rest), hop), True
            return
