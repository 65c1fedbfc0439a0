"""A recording's samples as one mono signal, read by slices, however long it is."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.errors import RecordingError

SECONDS_IN_MEMORY = 120  # maximum seconds of signal in memory; 8 MB at 16 kHz
BLOCK_SECONDS = 5
_BYTES = 4  # bytes of a float32 sample


class Signal:
    """Mono samples at one rate: a short signal is in memory, a long one in a temporary file.

    The system removes the file with the signal, also after a kill.

    Args:
        rate: samples per second, in Hz.
        pieces: consecutive pieces (n,) float32; an unusable sample is NaN.
        name: the recording's name, for messages.

    Attributes:
        samples: number of samples.

    Raises:
        RecordingError: the disk for temporary files is full.
    """

    def __init__(self, rate: int, pieces: Iterable[FloatArray], name: str = "signal") -> None:
        self.rate, self.samples, self._divisor = rate, 0, np.float32(1)
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()
        held: list[FloatArray] = []
        for piece in pieces:
            self.samples += len(piece)
            held.append(piece)
            if self._file or self.samples > SECONDS_IN_MEMORY * rate:
                self._write(held, name)
                held = []
        self._memory = np.concatenate(held) if held else np.zeros(0, np.float32)

    def read(self, start: int, stop: int) -> FloatArray:
        """A copy of samples [start, stop), (stop - start,) float32; both lie within the signal."""
        if self._file is None:
            return self._memory[start:stop] / self._divisor
        samples = np.empty(max(0, stop - start), np.float32)
        with self._lock:  # threads share the file's position
            self._file.seek(_BYTES * start)
            self._file.readinto(samples)  # type: ignore[attr-defined]
        samples /= self._divisor
        return samples

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n,) of `BLOCK_SECONDS`."""
        size = BLOCK_SECONDS * self.rate
        for start in range(0, self.samples, size):
            yield self.read(start, min(start + size, self.samples))

    def settle(self, divisor: int, blank: int) -> None:
        """What only the whole recording tells: all samples are divided by `divisor`, the first `blank` become NaN."""
        self._divisor = np.float32(divisor)
        if self._file is None:
            self._memory[:blank] = np.nan
        elif blank:
            self._file.seek(0)
            self._file.write(np.full(blank, np.nan, np.float32).data)
            self._file.flush()

    def _write(self, pieces: Iterable[FloatArray], name: str) -> None:
        folder = os.environ.get("TMP_DIR") or tempfile.gettempdir()  # a server's jobs have TMP_DIR
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=folder, prefix="novaspeech-")  # noqa: SIM115 - as long as the signal
            for piece in pieces:
                self._file.write(np.ascontiguousarray(piece, np.float32).data)
            self._file.flush()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise RecordingError(
                f"{name} does not fit into {folder} while it is read ({os.strerror(error.errno)}): an hour needs "
                f"{3600 * _BYTES * self.rate / 1e6:.0f} MB; make room there, or name another folder in TMPDIR"
            ) from error
