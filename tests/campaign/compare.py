"""Whether two signals hold the same sound at the same time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from novaspeech.arrays import FloatArray

RATE = 16000
PIECE = RATE // 5  # 200 ms
NEAR = RATE // 50  # 20 ms
SAME = 0.98  # correlation from which on two pieces hold the same


@dataclass(frozen=True)
class Comparison:
    """Pieces of 200 ms of one signal, looked for in another.

    Attributes:
        loud: pieces that can be looked for.
        reached: those of them before the end of what they are looked for in.
        there: those that are at their place within 20 ms.
        moved: start in ms of each piece that is somewhere else → by how many ms it is late.
    """

    loud: int
    reached: int
    there: int
    moved: dict[int, int]


def compare(found: FloatArray, expected: FloatArray) -> Comparison:
    """Looks for the pieces of `expected` in `found`."""
    found = np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0).clip(-2, 2)
    least = 0.2 * float(np.sqrt(np.square(expected).mean()))
    loud = reached = there = 0
    moved: dict[int, int] = {}
    for start in range(0, len(expected) - PIECE + 1, PIECE):
        piece = expected[start : start + PIECE]
        if np.sqrt(np.square(piece).mean()) < least:
            continue
        loud += 1
        reached += start + PIECE <= len(found)
        begin = max(0, start - NEAR)
        if _correlations(found[begin : start + PIECE + NEAR], piece).max(initial=0) >= 0.9:
            there += 1
            continue
        everywhere = _correlations(found, piece)
        place = int(everywhere.argmax()) if len(everywhere) else start
        # A word that is said twice may be found where its other one was before.
        if abs(place - start) > NEAR and everywhere[place] >= SAME and not _is_at(expected, piece, place):
            moved[start * 1000 // RATE] = (place - start) * 1000 // RATE
    return Comparison(loud, reached, there, moved)


def _is_at(signal: FloatArray, piece: FloatArray, place: int) -> bool:
    near = signal[max(0, place - NEAR) : place + PIECE + NEAR]
    return bool(_correlations(near, piece).max(initial=0) >= 0.9)


def _correlations(signal: FloatArray, piece: FloatArray) -> npt.NDArray[np.float64]:
    """Of a piece with each stretch of a signal that is as long: (len(signal) - len(piece) + 1,)."""
    count = len(signal) - len(piece) + 1
    if count < 1:
        return np.zeros(0)
    size = 1 << len(signal).bit_length()
    wanted = piece.astype(np.float64) - piece.mean()
    product = np.fft.irfft(np.fft.rfft(signal, size) * np.conj(np.fft.rfft(wanted, size)), size)[:count]
    sums, squares = (np.concatenate([[0], np.cumsum(values, dtype=np.float64)]) for values in (signal, signal**2))
    length = len(piece)
    energy = squares[length:] - squares[:-length] - (sums[length:] - sums[:-length]) ** 2 / length
    scale = np.sqrt(np.maximum(energy, 1e-9) * np.square(wanted).sum())
    return np.asarray(product / np.maximum(scale, 1e-12))
