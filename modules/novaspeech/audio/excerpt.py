"""Parts of a recording: an example of somebody's voice, or of how something is said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from novaspeech.audio.recording import Recording
from novaspeech.errors import RequestError
from novaspeech.times import Time, milliseconds


@dataclass(frozen=True)
class Part:
    """A part of a file, which is heard as if it were cut out. Times of its results are the file's.

    Attributes:
        file: path of the recording.
        start, end: in seconds, or as text ("1:05", "500ms"); without an end it goes to the recording's.
        channel: the one that is heard, from 1 on; None leaves it to the module's option.
    """

    file: str | Path
    start: Time = 0
    end: Time | None = None
    channel: int | None = None

    @property
    def span(self) -> tuple[int, int]:
        """Begin and end in ms. Raises RequestError for times that are none, or the wrong way round."""
        start = milliseconds(self.start, "start")
        end = sys.maxsize if self.end is None else milliseconds(self.end, "end")
        if end <= start:
            raise RequestError(f"a part of {self.file} ends at {end} ms and begins at {start} ms; it must end later")
        return start, end


# A file, a part of one, or samples (n,) or (n, channels) and their rate in Hz.
Audio: TypeAlias = "str | Path | Part | tuple[np.ndarray, int]"
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
