"""What the project's dependencies and extras name, and with which bounds; of modules see test_duties.py.

Bounds: a version that the unit tests ran with, torch's excepted, and the next major version. Of librosa, skops,
onnxscript and ruff it is the next minor version, since theirs have taken away what was called.
"""

import ast

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
