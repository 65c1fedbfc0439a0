"""Parts of a recording: an example of somebody's voice, or of how something is said."""

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
        recording: the whole recording.
        spans: (start, end) of each part, in ms; empty means the whole recording.
        label: the annotation's name of the parts, if there is one.
    """

    recording: Recording
    spans: tuple[tuple[int, int], ...] = ()
    label: str = ""

    @property
    def name(self) -> str:
        """The label, or else the file's name without its ending."""
        return self.label or Path(self.recording.name).stem

    def joined(self) -> Recording:
        """The parts, joined.

        Raises:
            RecordingError: all parts lie beyond the recording's end.
        """
        return self.recording.excerpt(self.spans) if self.spans else self.recording

    def parts(self) -> list[Recording]:
        """Each part on its own.

        Raises:
            RecordingError: a part lies beyond the recording's end.
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
