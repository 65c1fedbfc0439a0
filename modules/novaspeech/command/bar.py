"""A bar for how far a recording is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from novaspeech.hooks import Progress


@contextmanager
def progress_bar(name: str, **look: Any) -> Iterator[Progress]:
    """Inside, a hook that moves a bar on standard error.

    Args:
        name: the recording's name.
        look: more of tqdm's settings.
    """
    with tqdm(desc=name, unit="window", dynamic_ncols=True, **look) as bar:

        def show(completed: int, total: int) -> None:
            bar.total = total
            bar.update(completed - bar.n)

        yield show
