"""Arrays that take minutes to make, and are made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np


def kept(file: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """What a file holds, to be read only; where there is none, it is made and written. A kill leaves no half of it."""
    if not file.exists():
        part = file.with_suffix(".part.npy")
        np.save(part, make())
        part.replace(file)
    held: np.ndarray = np.load(file, mmap_mode="r")
    return held
