"""What a benchmark found: printed row by row, and kept in benchmarks/results with machine, date, commit and command."""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, versions

RESULTS = Path(__file__).with_name("results")
ROOT = RESULTS.parents[1]
Cell = str | float | int | None  # None where there is nothing to say
Table = tuple[list[str], list[list[Cell]]]
Where = Callable[[dict[str, Cell]], bool]


def command_line(description: str | None) -> argparse.ArgumentParser:
    """The parser of a benchmark's arguments, with those that all have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON file")
    return parser


def markdown(columns: list[str], rows: list[list[Cell]]) -> str:
    """A table."""
    head, *lines = (f"| {' | '.join(line)} |" for line in (columns, *([shown(cell) for cell in row] for row in rows)))
    return "\n".join([head, f"|{'---|' * len(columns)}", *lines])


def shown(cell: Cell) -> str:
    """A cell's text; numbers with at most four digits that say something."""
    if cell is None:
        return "–"
    if isinstance(cell, str | int):
        return str(cell)
    return f"{cell:.0f}" if abs(cell) >= 1000 else f"{cell:.4g}"


class Report:
    """One run of a benchmark.

    Args:
        name: of the file, without its ending.
        folder: where it lies.
    """

    def __init__(self, name: str, folder: Path = RESULTS) -> None:
        self._place = folder / f"{name}.json"
        script = Path(sys.argv[0]).resolve()
        words = ["python", "-m", ".".join(script.relative_to(ROOT).with_suffix("").parts), *sys.argv[1:]]
        self._found = {
            "machine": machine(),
            "date": f"{datetime.date.today()}",
            "versions": versions(),
            "commit": commit(),
            "command": " ".join(words),
            "notes": list[str](),
            "tables": dict[str, dict[str, list[object]]](),
        }
        self._rows: list[list[Cell]] = []
        print(f"{self._found['date']}: {self._found['machine']}; {self._found['versions']}")

    def table(self, title: str, *columns: str) -> None:
        """Begins a table."""
        self._rows = []
        self._found["tables"][title] = {"columns": list(columns), "rows": self._rows}  # type: ignore[index]
        print(f"\n## {title}\n\n{markdown(list(columns), [])}", flush=True)

    def row(self, *cells: Cell) -> None:
        """Adds a row, and writes the file."""
        self._rows.append(list(cells))
        print(f"| {' | '.join(map(shown, cells))} |", flush=True)
        self._write()

    def note(self, text: str) -> None:
        """Adds a sentence that belongs to the tables."""
        self._found["notes"].append(text)  # type: ignore[attr-defined]
        print(f"\n{text}", flush=True)
        self._write()

    def _write(self) -> None:
        self._place.parent.mkdir(parents=True, exist_ok=True)
        self._place.write_text(f"{json.dumps(self._found, indent=1, ensure_ascii=False)}\n", encoding="utf-8")


def commit() -> str:
    """That of the working tree, with a "+" if it was changed since; "" outside of git."""
    try:
        said = [
            subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said[0] + ("+" if said[1] else "")


@dataclass(frozen=True)
class Run:
    """What one run of a script left.

    Attributes:
        name: of its file, without ending.
    """

    name: str

    @cached_property
    def found(self) -> dict[str, Any]:
        """The file's content."""
        found: dict[str, Any] = json.loads((RESULTS / f"{self.name}.json").read_text(encoding="utf-8"))
        return found

    def table(self, title: str, columns: Sequence[str] = (), where: Where | None = None) -> Table:
        """A table's heads and rows.

        Args:
            columns: those that are shown, in this order; all if none is named.
            where: which rows are shown, told by their cells by column.
        """
        table = self.found["tables"][title]
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        shown = list(columns) or table["columns"]
        return shown, [[row[column] for column in shown] for row in rows if where is None or where(row)]

    @property
    def source(self) -> str:
        """Where the figures come from, in one line."""
        commit = f", {self.found['commit']}" if self.found["commit"] else ""
        return f"*{self.found['machine']}, {self.found['date']}{commit}: `{self.found['command']}`*"


def runs(prefix: str, title: str) -> list[Run]:
    """Runs of a script that have a table, the newest first."""
    found = [Run(file.stem) for file in sorted(RESULTS.glob(f"{prefix}*.json"))]
    return sorted(
        (run for run in found if title in run.found["tables"]), key=lambda run: run.found["date"], reverse=True
    )
