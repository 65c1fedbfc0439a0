"""ONNX exports of the small model."""

from __future__ import annotations

from pathlib import Path

import pytest

from emow2v.export import export


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, small_emow2v: Path) -> dict[str, Path]:
    """Folder of each precision."""
    folders = {precision: tmp_path_factory.mktemp(precision) for precision in ("float32", "int8")}
    for precision, folder in folders.items():
        export(str(small_emow2v), precision, folder)
    return folders
