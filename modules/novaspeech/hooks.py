"""Hooks that are called during work: log lines and progress."""

from __future__ import annotations

from collections.abc import Callable

Log = Callable[[str], None]
Progress = Callable[[int, int], None]  # completed, total


def ignore_progress(completed: int, total: int) -> None:
    """A `Progress` that does nothing."""


def ignore(line: str) -> None:
    """A `Log` that does nothing."""
