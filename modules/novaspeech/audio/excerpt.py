"""Parts of a recording that show somebody's voice, or how something is said."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from novaspeech.audio.recording import Recording

# A file, or samples (n,) or (n, channels) and their rate in Hz.
Audio: TypeAlias = "str | Path | tuple[np.ndarray, int]"
# Opens one; samples are called by the name given.
Opener: TypeAlias = Callable[[Audio, str], Recording]


@dataclass(frozen=True)
class Excerpt:
    """A recording, or some parts of it.

    Attributes:
        recording: the whole of it.
        spans: from when to when each part lasts, in ms; none means all of it.
        label: what an annotation calls the parts, if one named them.
    """

    recording: Recording
    spans: tuple[tuple[int, int], ...] = ()
    label: str = ""

    @property
    def name(self) -> str:
        """What it is called: its label, or the file without its ending."""
        return self.label or Path(self.recording.name).stem

    def joined(self) -> Recording:
        """The parts one after the other.

        Raises:
            RecordingError: they lie beyond the recording's end.
        """
        return self.recording.excerpt(self.spans) if self.spans else self.recording

    def parts(self) -> list[Recording]:
        """Each part on its own.

        Raises:
            RecordingError: one lies beyond the recording's end.
        """
        return [self.recording.excerpt([span]) for span in self.spans] if self.spans else [self.recording]

    @property
    def key(self) -> Hashable:
        """Equal for what holds the same sound; None if it is no file."""
        file = self.recording.path
        if file is None or not file.is_file():
            return None
        status = file.stat()
        return (file, status.st_mtime_ns, status.st_size, self.spans)
