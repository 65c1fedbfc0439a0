"""What the project's dependencies and extras name, and with which bounds; of modules see test_duties.py.

Bounds: a version that the unit tests ran with, torch's excepted, and the next major version. Of librosa, skops,
onnxscript and ruff it is the next minor version, since theirs have taken away what was called.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.repository.reach import (
    DEPENDENCIES,
    EXTRAS,
    HOST,
    MODULES,
    NOT_IMPORTED,
    PROJECT,
    STATED,
    TESTED,
    Reach,
    distribution,
    imported,
)


def test_the_project_requires_what_its_files_import() -> None:
    trees = [ast.parse(file.read_text("utf-8")) for file in MODULES.glob("*/**/*.py")]
    names = {name.split(".")[0] for tree in trees for node in ast.walk(tree) for name in imported(node)}
    needed = set().union(*map(distribution, names)) | {HOST}
    of_its_parts = DEPENDENCIES.keys() | set().union(*(EXTRAS[name] for name in EXTRAS.keys() - NOT_IMPORTED))
    assert of_its_parts - {PROJECT["name"]} == needed


@pytest.mark.parametrize("name", STATED)
def test_bounds_are_a_tested_version_and_the_next_that_may_break(name: str) -> None:
    bounds = {bound.operator: bound.version for bound in STATED[name].specifier}
    assert bounds.keys() == {">=", "<"}
    if name in TESTED:
        (pin,) = TESTED[name].specifier
        assert pin.version in STATED[name].specifier


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
