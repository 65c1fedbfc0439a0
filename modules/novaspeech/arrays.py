"""Array types, runs of True, and gaps in a signal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


def runs(values: BoolArray) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of True in (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], values, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def bridged(signal: FloatArray, finite: BoolArray) -> FloatArray:
    """A copy of a signal (n,) with straight lines in place of samples that are not finite; zeros if none is."""
    bad, good = np.flatnonzero(~finite), np.flatnonzero(finite)
    signal = signal.copy()
    signal[bad] = np.interp(bad, good, signal[good]) if len(good) else 0.0
    return signal
