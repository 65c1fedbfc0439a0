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
