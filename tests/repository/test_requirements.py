"""What each module's requirements.txt names, for a server that installs nothing else, and with which bounds.

A package is needed if code that a server can reach imports it. Reached are, from the module's script on: all that a
file does when it is imported; the methods that the host calls, and those that Python calls (`__init__` and the like);
and each function or method whose name reached code mentions. So an import within a function counts once something that
a server runs calls the function, and `if TYPE_CHECKING:` never does. Commands, plots and training are files that no
script imports.

Bounds: a version that the unit tests ran with, torch's excepted, and the next major version. Of librosa, skops,
onnxscript and ruff it is the next minor version, since theirs have taken away what was called.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MODULES = ROOT / "modules"
SCRIPTS = {file.parent.name: file.with_suffix(".py") for file in sorted(MODULES.glob("*/*.trainer"))}
CALLED_BY_THE_HOST = {"process_data", "to_output"}
# What is needed and not imported: the host by its name, see `novaspeech.server.host`, which each server brings along;
# and the classes in a keyword classifier's file, which skops imports by theirs.
HOST = "hcai-discover-utils"
BY_NAME = {"wav2vec2_kws": {"scikit-learn"}}

DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "pympi": "pympi-ling",
    "webvtt": "webvtt-py",
}  # those with names unlike what is imported
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Reach:
    """Files and functions that a server can reach, and the packages that these import.

    Args:
        start: the file that the server imports.
    """

    def __init__(self, start: Path) -> None:
        self.packages: set[str] = set()
        self._files: set[Path] = set()
        self._names = set(CALLED_BY_THE_HOST)
        self._waiting: list[Function] = []
        self._read(start)
        while live := [function for function in self._waiting if self._is_called(function)]:
            self._waiting = [function for function in self._waiting if function not in live]
            for function in live:
                self._run(function.body)

    def _is_called(self, function: Function) -> bool:
        return function.name in self._names or (function.name.startswith("__") and function.name.endswith("__"))

    def _read(self, file: Path) -> None:
        if file not in self._files:
            self._files.add(file)
            self._run(ast.parse(file.read_text("utf-8")).body)

    def _run(self, statements: list[ast.stmt]) -> None:
        waiting: list[ast.AST] = list(statements)
        while waiting:
            node = waiting.pop()
            if isinstance(node, Function):
                self._waiting.append(node)
                waiting += [*node.decorator_list, *node.args.defaults]
            elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                waiting += node.orelse
            else:
                self._note(node)
                waiting += ast.iter_child_nodes(node)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            self._names.add(node.id)
        elif isinstance(node, ast.Attribute):
            self._names.add(node.attr)
        for name in imported(node):
            self._import(name)

    def _import(self, name: str) -> None:
        parts = name.split(".")
        if not (MODULES / parts[0]).is_dir():
            self.packages |= distribution(parts[0])
            return
        self._names.add(parts[-1])
        for count in range(1, len(parts) + 1):
            place = MODULES.joinpath(*parts[:count])
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                if file.is_file():
                    self._read(file)


def imported(node: ast.AST) -> list[str]:
    """Full names that an import statement names: `from a import b` gives a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def distribution(name: str) -> set[str]:
    """The package that brings a top-level module; none for Python's own and ours."""
    if name in sys.stdlib_module_names or (MODULES / name).is_dir():
        return set()
    return {canonicalize_name(DISTRIBUTIONS.get(name, name))}


def read_requirements(file: Path) -> dict[str, Requirement]:
    lines = (line.split("#")[0].strip() for line in file.read_text("utf-8").splitlines())
    return by_name(filter(None, lines))


def by_name(lines: Iterator[str] | list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(entry.name): entry for entry in map(Requirement, lines)}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = {extra: by_name(lines) for extra, lines in PROJECT["optional-dependencies"].items()}
DEPENDENCIES = by_name(PROJECT["dependencies"])
# Of dependencies and extras, less novaspeech's extras that others are made of.
STATED = {
    name: entry
    for group in (DEPENDENCIES, *EXTRAS.values())
    for name, entry in group.items()
    if name != PROJECT["name"]
}
NOT_IMPORTED = {"server", "test", "dev"}  # extras of what only tests import, or nobody
TESTED = read_requirements(ROOT / "constraints.txt")


@pytest.mark.parametrize("module", SCRIPTS)
def test_a_module_requires_what_a_server_imports(module: str) -> None:
    named = read_requirements(MODULES / module / "requirements.txt")
    assert named.keys() == Reach(SCRIPTS[module]).packages | BY_NAME.get(module, set())


def test_the_project_requires_what_its_files_import() -> None:
    trees = [ast.parse(file.read_text("utf-8")) for file in MODULES.glob("*/**/*.py")]
    names = {name.split(".")[0] for tree in trees for node in ast.walk(tree) for name in imported(node)}
    needed = set().union(*map(distribution, names)) | {HOST}
    of_its_parts = DEPENDENCIES.keys() | set().union(*(EXTRAS[name] for name in EXTRAS.keys() - NOT_IMPORTED))
    assert of_its_parts - {PROJECT["name"]} == needed


@pytest.mark.parametrize("module", SCRIPTS)
def test_a_module_has_the_projects_bounds(module: str) -> None:
    named = read_requirements(MODULES / module / "requirements.txt")
    assert {name: str(entry) for name, entry in named.items()} == {name: str(STATED[name]) for name in named}


@pytest.mark.parametrize("name", STATED)
def test_bounds_are_a_tested_version_and_the_next_that_may_break(name: str) -> None:
    bounds = {bound.operator: bound.version for bound in STATED[name].specifier}
    assert bounds.keys() == {">=", "<"}
    if name in TESTED:
        (pin,) = TESTED[name].specifier
        assert pin.version in STATED[name].specifier


def test_what_modules_require_is_pinned_for_tests() -> None:
    named = {name for module in SCRIPTS for name in read_requirements(MODULES / module / "requirements.txt")}
    assert named <= TESTED.keys()


def test_lazy_imports_count_where_something_reached_calls_them(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from typing import TYPE_CHECKING\n"
        "import soxr\n"
        "if TYPE_CHECKING:\n    import pandas\n"
        "class Processor:\n"
        "    def __init__(self):\n        helper()\n"
        "    def process_data(self, manager):\n        return self.later()\n"
        "    def later(self):\n        import rapidfuzz\n"
        "    def never(self):\n        import onnx\n"
        "def helper():\n    from sklearn.base import clone\n"
        "def caller():\n    never_too()\n"
        "def never_too():\n    import matplotlib\n"
    )
    assert Reach(script).packages == {"soxr", "rapidfuzz", "scikit-learn"}
