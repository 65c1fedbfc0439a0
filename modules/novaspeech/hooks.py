"""Hooks that are called during work: log lines and progress."""

from __future__ import annotations

from collections.abc import Callable

Log = Callable[[str], None]
Progress = Callable[[int, int], None]  # completed, total


def ignore(*_: object) -> None:
    """A `Log` or `Progress` that does nothing."""
