"""The README's lines do what stands below them; its figures are those of BENCHMARKS.md."""

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence

import pytest

import tasks
from benchmarks.tables import hours_per_hour
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
LONGEST = 120  # lines that somebody reads who has two minutes


def shown(language: str) -> tuple[str, str]:
    """The first block of a language that has an output, and that output."""
    [found] = re.findall(
        rf"^```{language}\n((?:(?!```).)*?)^```\n\n```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL
    )
    return found


def printed(command: Sequence[str]) -> str:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_it_can_be_read_in_two_minutes() -> None:
    assert len(README.splitlines()) <= LONGEST


def test_the_lines_of_python_print_what_stands_below_them() -> None:
    code, output = shown("python")
    assert len([line for line in code.splitlines() if line]) <= 5
    assert printed(["-c", code]) == output


def test_the_command_prints_what_stands_below_it() -> None:
    line, output = shown("sh")
    program, *words = shlex.split(line)
    assert program == "novaspeech"
    assert printed(["-m", "novaspeech", *words]) == output


def test_figures_are_those_of_the_benchmarks() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\d,–]+) \| ([\d,–]+) \| ([\d,–]+) \|$", README, re.MULTILINE)
    assert len(rows) == 6
    measured = {str(row[0]).partition(",")[0]: row[1:] for row in hours_per_hour()[1]}
    for module, *cells in rows:
        window, recording, int8, gpu, _ = measured[module]
        for cell, expected in zip(cells, (recording or window, int8, gpu), strict=True):
            assert (cell == "–") == (expected is None)
            if expected is not None:
                assert float(cell.replace(",", "")) == pytest.approx(float(expected), rel=0.05), module


@pytest.mark.parametrize(("task", "rooms"), [("demo", ["demo"]), ("test", ["tests"])])
def test_the_page_on_platforms_names_the_programs(task: str, rooms: list[str]) -> None:
    page = (ROOT / "docs" / "platforms.md").read_text(encoding="utf-8")
    [named] = re.findall(rf"^\| `{task}` \| (.*) \|$", page, re.MULTILINE)
    assert named.split(", ") == [program for room in rooms for program in tasks.needed_by(room)]
