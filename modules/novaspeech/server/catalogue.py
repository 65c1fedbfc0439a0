"""The modules that are installed, as their trainer files describe them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError
from novaspeech.server import host

MODULES = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Trainer:
    """A module's trainer file, read by the host's own class.

    Attributes:
        name: the module's folder.
        content: the host's `Trainer`.
    """

    name: str
    content: Any

    @property
    def path(self) -> str:
        """The trainer file as requests name it, relative to `MODULES`."""
        return f"{self.name}\\{self.name}.trainer"

    @property
    def inputs(self) -> list[Any]:
        """The host's `ModelIO` of each input."""
        return [entry for entry in self.content.meta_io if entry.io_type == "input"]

    @property
    def outputs(self) -> list[Any]:
        """The host's `ModelIO` of each output."""
        return [entry for entry in self.content.meta_io if entry.io_type == "output"]

    @property
    def options(self) -> dict[str, str]:
        """Name of each option → its default; for a choice, all choices, the default first."""
        entries = [entry.strip("{}").split(":", 2) for entry in self.content.model_optstr.split(";") if entry]
        return {name: default for name, _, default in entries}


def trainers() -> list[Trainer]:
    """All modules, by name."""
    return [load_trainer(file.parent.name) for file in sorted(MODULES.glob("*/*.trainer"))]


def load_trainer(name: str) -> Trainer:
    """The trainer of one module.

    Raises:
        RequestError: there is no such module.
    """
    path = MODULES / name / f"{name}.trainer"
    if not path.is_file():
        known = ", ".join(sorted(file.parent.name for file in MODULES.glob("*/*.trainer")))
        raise RequestError(f"there is no module {name!r}; there are: {known}")
    content = host.module("utils.ssi_xml_utils").Trainer()
    content.load_from_file(path)
    return Trainer(name, content)
