"""What novaspeech tells while it works: lines of text, and how far it is."""

from __future__ import annotations

from collections.abc import Callable

Log = Callable[[str], None]
Progress = Callable[[int, int], None]  # completed, total


def ignore_progress(completed: int, total: int) -> None:
    """A `Progress` for those who do not want to know."""


def ignore(line: str) -> None:
    """A `Log` for those who do not want to know."""
