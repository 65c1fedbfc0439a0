"""`novaspeech new-module`: a folder to begin a module with."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from string import Template
from typing import Any

from novaspeech.errors import RequestError
from novaspeech.terminal.arguments import new_command


def add_command(commands: Any) -> None:
    """Adds `new-module` to the subparsers of `novaspeech`."""
    command = new_command(commands, "new-module", _new_module, help="make a folder to begin a module with")
    command.add_argument("name", help="its name in small letters, as my_module")
    command.add_argument("--out", type=Path, metavar="DIR", help="where the folder goes (default: beside the others)")


def _new_module(given: argparse.Namespace) -> int:
    """Makes a small module that runs: options, an encoder with random weights, trainer, README, requirements, a test.

    It does all that a module must (tests/repository/test_duties.py). Put your model in the place of its network.

    Examples:
        novaspeech new-module my_module
    """
    from novaspeech.module.catalogue import MODULES
    from novaspeech.module.options import ComputeOptions

    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", given.name):
        raise RequestError(f"{given.name!r} is no name of a module; small letters, digits and _ are, as my_module")
    folder = (given.out or MODULES).absolute() / given.name
    if folder.exists():
        raise RequestError(f"{folder} exists; choose another name, or another place with --out")
    words = {"name": given.name, "Name": given.name.title().replace("_", ""), "optstr": ComputeOptions.optstr()}
    folder.mkdir(parents=True)
    tests = folder.parents[1] / "tests"
    tests = tests / given.name if tests.is_dir() else folder  # where there is only the package
    tests.mkdir(exist_ok=True)
    (tests / "__init__.py").touch()
    for template in sorted((Path(__file__).parents[1] / "module" / "template").iterdir()):
        name = template.stem.replace("module", given.name)
        file = (tests if name.startswith("test_") else folder) / name
        text = Template(template.read_text(encoding="utf-8")).safe_substitute(words)
        file.write_text(text, encoding="utf-8")
        print(file)
    print(f"now a row for {given.name} in README.md, and for annotations in docs/nova.md, section 7")
    return 0
