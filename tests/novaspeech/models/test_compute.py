from __future__ import annotations

from typing import Any

import pytest
import torch

from novaspeech.errors import OptionError
from novaspeech.models.compute import Compute


def test_devices() -> None:
    assert Compute.of("cpu").device == torch.device("cpu")
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert Compute.of("auto").device.type == best
    if not torch.cuda.is_available():
        with pytest.raises(OptionError, match="option 'device' is 'cuda', which torch .* does not see here; use .*cpu"):
            Compute.of("cuda")


def test_precisions() -> None:
    assert [Compute.of("cpu", name).dtype for name in ("auto", "float32", "bfloat16", "float16")] == [
        torch.float32, torch.float32, torch.bfloat16, torch.float16,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("precision", "tf32"), [("auto", True), ("float32", False), ("bfloat16", False), ("float16", False)]
)
def test_tf32_is_for_auto_on_cuda_only(precision: str, tf32: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Compute.of("cpu", precision).tf32
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # a mock: there may be no GPU here
    assert Compute.of("cuda", precision).tf32 == tf32


@pytest.mark.parametrize(
    ("compute", "text"),
    [
        (Compute(), "cpu, float32"),
        (Compute(torch.device("cuda"), tf32=True), "cuda, float32 with TF32 products"),
        (Compute(torch.device("mps"), torch.bfloat16), "mps, bfloat16"),
    ],
)
def test_how_it_is_told(compute: Compute, text: str) -> None:
    assert str(compute) == text


@pytest.mark.parametrize(("tf32", "inside"), [(True, "tf32"), (False, "ieee")])
def test_the_process_gets_its_product_precision_back(tf32: bool, inside: str) -> None:
    backends: Any = torch.backends
    if not hasattr(backends.cuda.matmul, "fp32_precision"):
        pytest.skip("torch before 2.9 has only the older settings")

    def now() -> tuple[str, str]:
        return backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision

    before = now()
    with Compute(torch.device("cuda"), tf32=tf32).products():
        assert now() == (inside, inside)
    assert now() == before
    with Compute().products():
        assert now() == before
    with pytest.raises(ValueError, match="some"), Compute(torch.device("cuda"), tf32=tf32).active():
        raise ValueError("some")
    assert now() == before


def test_active_keeps_nothing_for_gradients_and_products_does() -> None:
    weight = torch.ones(1, requires_grad=True)
    with Compute().active():
        assert torch.is_inference(weight * 2)
    with Compute().products():
        assert (weight * 2).requires_grad


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_memory_is_given_back_to_its_own_device(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[str] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append("cuda"))  # mocks: there may be no GPU here
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: emptied.append("mps"))
    Compute(torch.device(device)).release_memory()
    assert emptied == [device]
