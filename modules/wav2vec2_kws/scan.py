"""One pass over a recording, which gathers keywords, words and embeddings block by block."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.audio.grid import WindowGrid, samples_per_ms
from novaspeech.audio.recording import Recording
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import HIDDEN, FrameBlock, FramePool, Pooled
from novaspeech.segments import Segment
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.hits import Detector, Hit, best_hits, strongest
from wav2vec2_kws.words import WordDecoder

MANY = 20_000  # hits after which weaker ones are dropped before the end, for models that find keywords everywhere


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
        grid: windows of the evidence and of the means.
        inference: runs a `KeywordEncoder`.
        detectors: find keywords.
        threshold: lowest score of a hit that is kept.
        words: True to gather recognised words.
        pooled: True to gather mean hidden states.
        end_ms: latest end of keywords and words; None is the recording's end.
    """
    encoder = inference.encoder
    assert isinstance(encoder, KeywordEncoder)
    pool = FramePool(recording, grid, encoder)
    means = np.zeros((grid.count, encoder.dimensions["embeddings"]), np.float32) if pooled else None
    timeline, decoders = Timeline(grid, encoder), [WordDecoder(encoder.vocabulary)] if words else []
    found, end = Scan(timeline, detectors, decoders, threshold, means), timeline.frame_of(end_ms)
    for block in inference.frames(recording, sorted(found.names | ({HIDDEN} if pooled else set()))):
        # Hidden states that only a detector reads need no means.
        for windows in pool.add(block if pooled else replace(block, values={})):
            found.take(windows)
        found.add(block, end)
        if block.end >= max(end, pool.end):
            break
        inference.progress(timeline.window_of(block.end), grid.count)
    inference.progress(grid.count, grid.count)
    return found


class Scan:
    """Everything that one pass finds in a recording: of hits with the same name and frames the best is kept.

    Attributes:
        timeline: frames in milliseconds; its `values` are (count,) best score of a keyword at each window's frame.
        usable: (count,) True for windows of usable audio.
        pooled: (count, D) mean hidden states of each window, if they were asked for; zeros where none is usable.
    """

    def __init__(
        self,
        timeline: Timeline,
        detectors: Sequence[Detector],
        decoders: Sequence[WordDecoder],
        threshold: float,
        pooled: FloatArray | None,
    ) -> None:
        self.timeline, self.usable, self.pooled = timeline, np.zeros(len(timeline.values), bool), pooled
        self._detectors, self._decoders, self._threshold = detectors, decoders, threshold
        self._words: list[Hit] = []
        self._hits: dict[tuple[str, int, int], Hit] = {}
        self._best: dict[str, Hit] = {}
        self._many = MANY

    @property
    def names(self) -> set[str]:
        """Names of the encoder's outputs that are needed."""
        return {reader.reads for reader in (*self._detectors, *self._decoders)}

    @property
    def keywords(self) -> list[Segment]:
        """Found keywords in the order of time, without overlap."""
        return [self.timeline.segment(hit) for hit in best_hits(self._hits.values())]

    @property
    def words(self) -> list[Segment]:
        """Recognised words, if they were asked for."""
        return [self.timeline.segment(word) for word in self._words]

    @property
    def missed(self) -> list[Segment]:
        """The best place, below the threshold, of each keyword that was not found."""
        best = (hit for hit in self._best.values() if hit.score < self._threshold)
        return [self.timeline.segment(hit) for hit in sorted(best, key=lambda hit: -hit.score)]

    def take(self, windows: Pooled) -> None:
        """Fills in windows that have all their frames."""
        self.usable[windows.rows] = windows.usable
        if self.pooled is not None:
            self.pooled[windows.rows] = windows.values.numpy()

    def add(self, block: FrameBlock, end: int) -> None:
        """Takes the recording's next frames that lie before frame `end`."""
        if block.first >= end:
            return
        block = block.until(end)
        for hit in itertools.chain.from_iterable(detector.add(block) for detector in self._detectors):
            if self.timeline.is_gap(hit):
                continue
            self.timeline.mark(hit)
            if hit.name not in self._best or self._best[hit.name].score < hit.score:
                self._best[hit.name] = hit
            key = (hit.name, hit.start, hit.end)
            if hit.score >= self._threshold and (key not in self._hits or self._hits[key].score < hit.score):
                self._hits[key] = hit
            if len(self._hits) > self._many:
                self._hits = {(kept.name, kept.start, kept.end): kept for kept in strongest(self._hits.values())}
                self._many = max(MANY, 2 * len(self._hits))
        words = itertools.chain.from_iterable(decoder.add(block) for decoder in self._decoders)
        self._words += [word for word in words if not self.timeline.is_gap(word)]


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
        part = self.values[self._rows(hit)]
        np.maximum(part, hit.score, out=part)

    def is_gap(self, hit: Hit) -> bool:
        """Whether all windows whose frame overlaps the hit are gaps of the grid."""
        part = () if self._grid.gaps is None else self._grid.gaps[self._rows(hit)]
        return len(part) > 0 and bool(np.all(part))

    def _rows(self, hit: Hit) -> slice:
        """Windows whose frame overlaps the hit."""
        start, end = hit.start * self._frame_ms, hit.end * self._frame_ms
        first = max(0, int((start - self._grid.frame_ms) // self._grid.stride_ms) + 1)
        return slice(first, int(-(-end // self._grid.stride_ms)))

    def segment(self, hit: Hit) -> Segment:
        """A hit in milliseconds."""
        return Segment(round(hit.start * self._frame_ms), round(hit.end * self._frame_ms), hit.name, hit.score)

    def frame_of(self, ms: int | None) -> int:
        """Number of frames that begin before a time; None is the recording's end."""
        return sys.maxsize if ms is None else int(-(-ms // self._frame_ms))

    def window_of(self, frame: int) -> int:
        """Index of the last window that starts at a frame or before it."""
        return min(self._grid.count, int(frame * self._frame_ms // self._grid.stride_ms))
