"""What all sections of the campaign share: problems, the folder with models, and random numbers by trial."""

from __future__ import annotations

import os
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any

from transformers.utils import logging

from demo.standins import make_standin, options_of

ROOT = Path(__file__).resolve().parents[2]

TWO_DAYS = 2 * 24 * 3600


class Kind(IntEnum):
    """What fell short, the worst first."""

    WRONG = 1  # exit status 0, and values that are wrong, moved or missing
    LOST = 2  # an earlier output that is changed or gone
    HALF = 3  # an output that is there in part
    HANG = 4
    CRASH = 5  # ended by a signal
    TRACEBACK = 6
    REFUSED = 7  # an error where there should be none
    LEFT = 8  # files, processes, memory
    MESSAGE = 9  # more than one line, or none
    CAMPAIGN = 10  # the campaign itself could not do what it wanted


@dataclass(frozen=True)
class Problem:
    """One thing that fell short."""

    kind: Kind
    text: str


@dataclass
class World:
    """What sections work with.

    Attributes:
        folder: for everything that is written.
        seed: of the campaign.
    """

    folder: Path
    seed: int
    _models: dict[str, Path] = field(default_factory=dict)

    def random(self, section: str, index: int | str) -> random.Random:
        """The same numbers for the same trial, whichever trials came before."""
        return random.Random(f"{self.seed} {section} {index}")  # noqa: S311

    def model(self, module: str) -> Path:
        """A module's stand-in, made once."""
        if module not in self._models:
            place = self.folder / "models" / module
            place.parent.mkdir(exist_ok=True)
            logging.disable_progress_bar()
            self._models[module] = make_standin(module, place)
        return self._models[module]

    def options(self, module: str) -> dict[str, Any]:
        """Options with which the stand-in gives something."""
        return {**options_of(module, self.model(module)), "device": "cpu"}


class Section(ABC):
    """A part of the campaign: trials by number; used in a `with` block.

    Attributes:
        name: as --only has it.
        count: trials that are asked for if nobody says how many.
    """

    name = ""
    count = 0

    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.folder / self.name
        self.folder.mkdir()

    def __enter__(self) -> Section:
        return self

    def __exit__(  # noqa: B027 (most sections have nothing to clear up)
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    @abstractmethod
    def try_one(self, index: int) -> list[Problem]:
        """What falls short in one trial."""


def age(path: Path) -> None:
    """Makes a file or folder, and what it holds, two days old."""
    then = time.time() - TWO_DAYS
    for entry in (*path.rglob("*"), path):
        os.utime(entry, (then, then))


def files_below(folder: Path) -> Mapping[str, bytes]:
    """Every file below a folder, by its path there."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def until(true: Callable[[], bool], seconds: float, step: float = 0.05) -> bool:
    """Waits until something is true, or the time is over; whether it is."""
    deadline = time.monotonic() + seconds
    while not (done := true()) and time.monotonic() < deadline:
        time.sleep(step)
    return done
