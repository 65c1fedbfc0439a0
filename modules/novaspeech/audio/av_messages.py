"""FFmpeg's messages about one file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import av.logging


class AvMessages:
    """Keeps FFmpeg's messages while a file is read; none reaches the terminal."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, str, str]] = []  # level, part, line

    @contextlib.contextmanager
    def captured(self) -> Iterator[None]:
        """Takes the messages inside."""
        before = av.logging.get_level(), av.logging.get_skip_repeated()
        av.logging.set_level(av.logging.WARNING)
        av.logging.set_skip_repeated(False)  # repeats of another file's message would be reported here
        try:
            with av.logging.Capture() as lines:
                yield
            self._lines += lines
        finally:
            av.logging.set_level(before[0])
            av.logging.set_skip_repeated(before[1])

    def warn_of(self, warning: str) -> bool:
        """Whether a message holds these words."""
        return any(warning in line for _, _, line in self._lines)

    def errors(self) -> list[str]:
        """The lines that are errors."""
        return [line for level, _, line in self._lines if level <= av.logging.ERROR]
