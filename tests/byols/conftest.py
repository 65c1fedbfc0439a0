import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from byols.network import NETWORKS, build


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """The reference's outputs; tests/data/golden/README.md says how they were made."""
    return dict(np.load(Path(__file__).parents[1] / "data" / "golden" / "byols.npz"))


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Encoder → a checkpoint with the weights that the goldens were made with."""
    folder = tmp_path_factory.mktemp("checkpoints")
    files = {}
    for name in NETWORKS:
        files[name] = folder / f"{name}.pth"
        entries = build(name).state_dict().items()
        torch.save({key: torch.from_numpy(weight_of(key, tuple(value.shape))) for key, value in entries}, files[name])
    return files


def weight_of(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """An entry by the golden file's rule."""
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    x = np.asarray(np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape), np.float32)
    if key.endswith("running_var"):
        return np.float32(0.5) + np.abs(x)
    if x.ndim >= 2:
        return x / np.float32(np.sqrt(np.prod(shape[1:])))
    return np.float32(key.endswith(".weight")) + np.float32(0.1) * x


@pytest.fixture
def run_byols(run_module: Callable[..., object], checkpoints: dict[str, Path]) -> Callable[..., object]:
    """Runs byols with a checkpoint of the goldens' weights."""

    def run(audio: Path, encoder: str = "default", outputs: tuple[str, ...] = ("embeddings",), **arguments: object):
        options = {"encoder": encoder, "model": str(checkpoints[encoder])} | arguments.pop("options", {})
        return run_module("byols", audio, options, outputs, str(arguments.pop("name", "out")), **arguments)

    return run
