"""Which packages code needs: what each module's requirements.txt must name for a server that installs nothing else.

A package is needed if code that a server can reach imports it. Reached are, from the module's script on: all that a
file does when it is imported; the methods that the host calls, and those that Python calls (`__init__` and the like);
and each function or method whose name reached code mentions. So an import within a function counts once something that
a server runs calls the function, and `if TYPE_CHECKING:` never does. Commands, plots and training are files that no
script imports.
"""

import ast
import sys
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MODULES = ROOT / "modules"
CALLED_BY_THE_HOST = {"process_data", "to_output"}
# What is needed and not imported: the host by its name, see `novaspeech.server.host`, which each server brings along;
# and the classes in a keyword classifier's file, which skops imports by theirs.
HOST = "hcai-discover-utils"
BY_NAME = {"wav2vec2_kws": {"scikit-learn"}}
# Readers of transcripts that few people have: who gives such a file is told what to install.
ON_DEMAND = {"wav2vec2_kws": {"pympi-ling", "pyarrow"}}

DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "pympi": "pympi-ling",
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


def by_name(lines: Iterable[str]) -> dict[str, Requirement]:
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
