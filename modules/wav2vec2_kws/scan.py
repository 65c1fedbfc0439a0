"""One pass over a recording: everything that is wanted of its frames, gathered block by block."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from novaspeech.audio.buffer import BoolArray, FloatArray, WindowGrid, samples_per_ms
from novaspeech.audio.recording import Recording
from novaspeech.inference.engine import Progress
from novaspeech.inference.frames import FrameBlock, encode_frames
from novaspeech.segments import Stretch
from wav2vec2_kws.encoder import HIDDEN, KeywordEncoder
from wav2vec2_kws.hits import Detector, Hit, best_hits, strongest
from wav2vec2_kws.words import WordDecoder

# Hits, of a model that finds keywords everywhere, from which on the weaker ones are let go before the end.
MANY = 20_000


@dataclass
class Scan:
    """What is found in a recording.

    Attributes:
        keywords: in the order of time, without overlap.
        words: every word that was recognised, if that was asked for.
        evidence: (count,) the best score of a keyword at each window's frame.
        pooled: (count, D) mean hidden states of each window, if they were asked for; zeros where none is usable.
        usable: (count,) which windows heard usable audio.
    """

    evidence: FloatArray
    usable: BoolArray
    keywords: list[Stretch] = field(default_factory=list)
    words: list[Stretch] = field(default_factory=list)
    pooled: FloatArray | None = None


def scan(
    recording: Recording,
    encoder: KeywordEncoder,
    grid: WindowGrid,
    detectors: Sequence[Detector],
    *,
    end_ms: int | None = None,
    threshold: float,
    words: bool = False,
    pooled: bool = False,
    batch_size: int = 250,
    precision: str = "auto",
    progress: Progress = lambda completed, total: None,
    log: Callable[[str], None] = print,
) -> Scan:
    """Goes over a recording's frames once, and gathers what is asked for.

    Args:
        grid: the windows that `evidence` and `pooled` are wanted of.
        detectors: find keywords.
        end_ms: where keywords and words end at the latest; None is the recording's end.
        threshold: score from which on a hit is kept.
        words: whether every recognised word is wanted.
        pooled: whether mean hidden states are wanted.
        batch_size, precision, progress, log: see `encode_frames`.

    Raises:
        RecordingError, ModelError: see `encode_frames`.
    """
    decoders = [WordDecoder(encoder.vocabulary)] if words else []
    names = {reader.reads for reader in (*detectors, *decoders)} | ({HIDDEN} if pooled else set())
    timeline = _Timeline(grid, encoder)
    end = sys.maxsize if end_ms is None else timeline.frame_of(end_ms)
    pool = _Pool(grid, encoder, pooled)
    found, spelt = _Found(), list[Hit]()
    for block in encode_frames(recording, encoder, sorted(names), batch_size=batch_size, precision=precision, log=log):
        pool.add(block)
        if block.first < end:
            part = block.until(end)
            for hit in itertools.chain.from_iterable(detector.add(part) for detector in detectors):
                timeline.mark(hit)
                if hit.score >= threshold:
                    found.add(hit)
            spelt += itertools.chain.from_iterable(decoder.add(part) for decoder in decoders)
        if block.first + len(block.usable) >= max(end, pool.end):
            break
        progress(min(grid.count, timeline.window_of(block.first + len(block.usable))), grid.count)
    progress(grid.count, grid.count)
    values, usable = pool.finish(recording)
    return Scan(
        timeline.values,
        usable,
        [timeline.stretch(hit) for hit in best_hits(found.hits)],
        [timeline.stretch(word) for word in spelt],
        values,
    )


class _Found:
    """Hits, of those at the same place the best."""

    def __init__(self) -> None:
        self._hits: dict[tuple[str, int, int], Hit] = {}
        self._many = MANY

    @property
    def hits(self) -> Collection[Hit]:
        """In no order; they may overlap."""
        return self._hits.values()

    def add(self, hit: Hit) -> None:
        """Takes one more."""
        key = (hit.name, hit.start, hit.end)
        if key not in self._hits or self._hits[key].score < hit.score:
            self._hits[key] = hit
        if len(self._hits) > self._many:
            self._hits = {(kept.name, kept.start, kept.end): kept for kept in strongest(self._hits.values())}
            self._many = max(MANY, 2 * len(self._hits))


class _Timeline:
    """Frames in milliseconds and on a request's grid."""

    def __init__(self, grid: WindowGrid, encoder: KeywordEncoder) -> None:
        self._grid = grid
        self._frame_ms = encoder.frame_hop / samples_per_ms(encoder.sampling_rate)
        self.values = np.zeros(grid.count, np.float32)

    def mark(self, hit: Hit) -> None:
        """Raises the evidence of windows whose frame the hit meets."""
        start, end = hit.start * self._frame_ms, hit.end * self._frame_ms
        first = max(0, int((start - self._grid.frame_ms) // self._grid.stride_ms) + 1)
        last = int(-(-end // self._grid.stride_ms))
        part = self.values[first:last]
        np.maximum(part, hit.score, out=part)

    def stretch(self, hit: Hit) -> Stretch:
        """The same in milliseconds."""
        return Stretch(round(hit.start * self._frame_ms), round(hit.end * self._frame_ms), hit.name, hit.score)

    def frame_of(self, ms: int) -> int:
        """The number of frames that begin before."""
        return int(-(-ms // self._frame_ms))

    def window_of(self, frame: int) -> int:
        """Index of the window that starts at a frame or before."""
        return int(frame * self._frame_ms // self._grid.stride_ms)


class _Pool:
    """Means over the frames of each window: those whose centre lies in it, or the nearest if none does."""

    def __init__(self, grid: WindowGrid, encoder: KeywordEncoder, wanted: bool) -> None:
        per_ms = samples_per_ms(encoder.sampling_rate)
        starts = (np.arange(grid.count) * grid.stride_ms - grid.left_ms) * per_ms
        centre = encoder.frame_length / 2

        def frame_at(positions: np.ndarray) -> np.ndarray:
            return np.ceil((positions - centre) / encoder.frame_hop).astype(int)

        self._begin = np.maximum(0, frame_at(starts))
        self._end = frame_at(starts + grid.length_ms * per_ms)
        nearest = np.maximum(0, frame_at(starts + grid.length_ms * per_ms / 2 - encoder.frame_hop / 2))
        empty = self._end <= self._begin
        self._begin = np.where(empty, nearest, self._begin)
        self._end = np.where(empty, nearest + 1, self._end)
        self.end = int(self._end.max())  # frames from there on are of no use
        self._frame_starts = np.arange(grid.count) * grid.stride_ms / 1000  # in s
        width = encoder.dimensions[HIDDEN] if wanted else 0
        self._wanted = wanted
        self._sums = np.zeros((grid.count, width), np.float32)
        self._counts, self._bad = np.zeros(grid.count, int), np.zeros(grid.count, int)
        self._last, self._last_usable = np.zeros(width, np.float32), False

    def add(self, block: FrameBlock) -> None:
        count = len(block.usable)
        rows = np.flatnonzero((self._begin < block.first + count) & (self._end > block.first))
        begin = np.maximum(self._begin[rows] - block.first, 0)
        end = np.minimum(self._end[rows] - block.first, count)
        self._counts[rows] += end - begin
        bad = np.concatenate([[0], np.cumsum(~block.usable)])
        self._bad[rows] += bad[end] - bad[begin]
        if self._wanted:
            hidden = block.values[HIDDEN].astype(np.float64)
            sums = np.concatenate([np.zeros((1, hidden.shape[1])), np.cumsum(hidden, axis=0)])
            self._sums[rows] += (sums[end] - sums[begin]).astype(np.float32)
            self._last = block.values[HIDDEN][-1]
        self._last_usable = bool(block.usable[-1])

    def finish(self, recording: Recording) -> tuple[FloatArray | None, BoolArray]:
        """Means (count, D), and which windows are usable: they start in the recording and heard nothing bad."""
        inside = self._frame_starts < recording.samples / recording.rate
        late = inside & (self._counts == 0)  # between the last frame's centre and the recording's end
        self._sums[late], self._counts[late] = self._last, 1
        usable = inside & (self._bad == 0) & (~late | self._last_usable)
        if not self._wanted:
            return None, usable
        self._sums /= np.maximum(1, self._counts)[:, None]
        self._sums[~usable] = 0
        return self._sums, usable
