"""Device and number format of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from novaspeech.errors import OptionError, quoted

ON_CPU = "CPUExecutionProvider"
_HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Compute:
    """Device and number format of a job, resolved once.

    Attributes:
        device: the model's device; with onnxruntime that of its signal and outputs.
        dtype: number format of its weights.
        tf32: whether CUDA may multiply float32 matrices in TF32, which keeps 10 bits of the mantissa.
        providers: onnxruntime's execution providers, the best first; empty if torch runs the model.
        asked: the options `device` and `precision`.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    tf32: bool = False
    providers: tuple[Any, ...] = ()
    asked: tuple[str, str] = ("auto", "auto")

    @classmethod
    def of(cls, device: str = "auto", precision: str = "auto") -> Compute:
        """Device and number format by the options of these names.

        Args:
            device: "cpu", "cuda", "mps", or "auto": CUDA, else MPS, else the CPU.
            precision: "float32", "bfloat16", "float16", or "auto": float32, with TF32 products on CUDA.

        Raises:
            OptionError: the device asked for is not there.
        """
        asked = (device, precision)
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        available = [name for name, is_there in there.items() if is_there]
        if device == "auto":
            device = available[0]
        if device not in available:
            raise OptionError(
                f"option 'device' is {quoted(device)}, which torch {torch.__version__} does not see here; use "
                f"{', '.join(available)}"
            )
        tf32 = device == "cuda" and precision == "auto"
        return cls(torch.device(device), _HALF.get(precision, torch.float32), tf32, asked=asked)

    @property
    def on_cpu(self) -> bool:
        """Whether the model runs on the CPU, whose caches ask for small batches."""
        return self.device.type == "cpu" and self.providers in ((), (ON_CPU,))

    @contextmanager
    def active(self) -> Iterator[None]:
        """Settings of a pass, inside: no gradients, and `products`."""
        with torch.inference_mode(), self.products():
            yield

    @contextmanager
    def products(self) -> Iterator[None]:
        """TF32 for CUDA's float32 matrix products inside, on or off as `tf32` says; put back for other modules."""
        settings = _float32_settings(self.tf32) if self.device.type == "cuda" else []
        before = [getattr(owner, name) for owner, name, _ in settings]
        try:
            for owner, name, value in settings:
                setattr(owner, name, value)
            yield
        finally:
            for (owner, name, _), value in zip(settings, before, strict=True):
                setattr(owner, name, value)

    def release_memory(self) -> None:
        """Gives back to the device what torch has kept for later tensors."""
        if self.device.type == "mps":
            torch.mps.empty_cache()
        else:
            torch.cuda.empty_cache()

    def __str__(self) -> str:
        return f"{self.device}, {str(self.dtype).removeprefix('torch.')}{' with TF32 products' if self.tf32 else ''}"


CPU_FLOAT32 = Compute()


def _float32_settings(tf32: bool) -> list[tuple[Any, str, object]]:
    """Torch's settings for CUDA's float32 matrix products: object, attribute, value."""
    backends: Any = torch.backends
    if hasattr(backends.cuda.matmul, "fp32_precision"):  # torch 2.9 and newer
        kinds = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
        return [(kind, "fp32_precision", "tf32" if tf32 else "ieee") for kind in kinds]
    return [(kind, "allow_tf32", tf32) for kind in (backends.cuda.matmul, backends.cudnn)]
