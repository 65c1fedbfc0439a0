"""One pass over a recording, which gathers keywords, words and embeddings block by block."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.audio.grid import WindowGrid, samples_per_ms
from novaspeech.audio.recording import Recording
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import HIDDEN, FrameBlock, FramePool, Pooled
from novaspeech.segments import Segment
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.hits import Detector, Hit, best_hits, strongest
from wav2vec2_kws.words import WordDecoder

MANY = 20_000  # hits after which weaker ones are dropped before the end, for models that find keywords everywhere


@dataclass
class Scan:
    """Everything that one pass found in a recording.

    Attributes:
        evidence: (count,) best score of a keyword at each window's frame.
        usable: (count,) True for windows of usable audio.
        pooled: (count, D) mean hidden states of each window, if they were asked for; zeros where none is usable.
        keywords: found keywords in the order of time, without overlap.
        words: recognised words, if they were asked for.
    """

    evidence: FloatArray
    usable: BoolArray
    pooled: FloatArray | None
    keywords: list[Segment] = field(default_factory=list)
    words: list[Segment] = field(default_factory=list)

    def take(self, windows: Pooled) -> None:
        """Fills in windows that have all their frames."""
        self.usable[windows.rows] = windows.usable
        if self.pooled is not None:
            self.pooled[windows.rows] = windows.values.numpy()


def scan(
    recording: Recording,
    grid: WindowGrid,
    inference: Inference,
    detectors: Sequence[Detector],
    *,
    threshold: float,
    words: bool = False,
    pooled: bool = False,
    end_ms: int | None = None,
) -> Scan:
    """Goes over a recording's frames once.

    Args:
        grid: windows of `evidence` and `pooled`.
        inference: runs a `KeywordEncoder`.
        detectors: find keywords.
        threshold: lowest score of a hit that is kept.
        words: True to gather recognised words.
        pooled: True to gather mean hidden states.
        end_ms: latest end of keywords and words; None is the recording's end.
    """
    encoder = inference.encoder
    assert isinstance(encoder, KeywordEncoder)
    timeline = Timeline(grid, encoder)
    end, pool = timeline.frame_of(end_ms), FramePool(recording, grid, encoder)
    means = np.zeros((grid.count, encoder.dimensions["embeddings"]), np.float32) if pooled else None
    result = Scan(timeline.values, np.zeros(grid.count, bool), means)
    found = _Found(detectors, [WordDecoder(encoder.vocabulary)] if words else [], timeline, threshold)
    for block in inference.frames(recording, sorted(found.names | ({HIDDEN} if pooled else set()))):
        # Hidden states that only a detector reads need no means.
        for windows in pool.add(block if pooled else replace(block, values={})):
            result.take(windows)
        found.add(block, end)
        if block.end >= max(end, pool.end):
            break
        inference.progress(timeline.window_of(block.end), grid.count)
    inference.progress(grid.count, grid.count)
    result.keywords, result.words = found.segments()
    return result


class _Found:
    """Words, and hits from a threshold on; of hits with the same name and frames the best is kept."""

    def __init__(
        self, detectors: Sequence[Detector], decoders: Sequence[WordDecoder], timeline: Timeline, threshold: float
    ) -> None:
        self._detectors, self._decoders = detectors, decoders
        self._timeline, self._threshold = timeline, threshold
        self._words: list[Hit] = []
        self._hits: dict[tuple[str, int, int], Hit] = {}
        self._many = MANY

    @property
    def names(self) -> set[str]:
        """Names of the encoder's outputs that are needed."""
        return {reader.reads for reader in (*self._detectors, *self._decoders)}

    def add(self, block: FrameBlock, end: int) -> None:
        """Takes the recording's next frames that lie before frame `end`."""
        if block.first >= end:
            return
        block = block.until(end)
        for hit in itertools.chain.from_iterable(detector.add(block) for detector in self._detectors):
            self._timeline.mark(hit)
            if hit.score >= self._threshold:
                self._add(hit)
        self._words += itertools.chain.from_iterable(decoder.add(block) for decoder in self._decoders)

    def segments(self) -> tuple[list[Segment], list[Segment]]:
        """The keywords, without overlap, and the words."""
        segment = self._timeline.segment
        return [segment(hit) for hit in best_hits(self._hits.values())], [segment(word) for word in self._words]

    def _add(self, hit: Hit) -> None:
        key = (hit.name, hit.start, hit.end)
        if key not in self._hits or self._hits[key].score < hit.score:
            self._hits[key] = hit
        if len(self._hits) > self._many:
            self._hits = {(kept.name, kept.start, kept.end): kept for kept in strongest(self._hits.values())}
            self._many = max(MANY, 2 * len(self._hits))


class Timeline:
    """Frames in milliseconds and on a request's grid.

    Attributes:
        values: (count,) evidence of each window, see `mark`.
    """

    def __init__(self, grid: WindowGrid, encoder: KeywordEncoder) -> None:
        self._grid = grid
        self._frame_ms = encoder.frame_hop / samples_per_ms(encoder.sampling_rate)
        self.values = np.zeros(grid.count, np.float32)

    def mark(self, hit: Hit) -> None:
        """Raises the evidence of windows whose frame overlaps the hit."""
        start, end = hit.start * self._frame_ms, hit.end * self._frame_ms
        first = max(0, int((start - self._grid.frame_ms) // self._grid.stride_ms) + 1)
        last = int(-(-end // self._grid.stride_ms))
        part = self.values[first:last]
        np.maximum(part, hit.score, out=part)

    def segment(self, hit: Hit) -> Segment:
        """A hit in milliseconds."""
        return Segment(round(hit.start * self._frame_ms), round(hit.end * self._frame_ms), hit.name, hit.score)

    def frame_of(self, ms: int | None) -> int:
        """Number of frames that begin before a time; None is the recording's end."""
        return sys.maxsize if ms is None else int(-(-ms // self._frame_ms))

    def window_of(self, frame: int) -> int:
        """Index of the last window that starts at a frame or before it."""
        return min(self._grid.count, int(frame * self._frame_ms // self._grid.stride_ms))
