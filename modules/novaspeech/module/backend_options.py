"""The options of modules whose model can be run in several ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from novaspeech.errors import OptionError
from novaspeech.module.options import ComputeOptions, option

if TYPE_CHECKING:
    from novaspeech.inference.engine import Inference
    from novaspeech.models.compute import Compute


@dataclass(frozen=True)
class BackendOptions(ComputeOptions):
    """The options of modules whose model `novaspeech export` writes for onnxruntime."""

    backend: str = option(
        "torch",
        text="what runs the model: torch, or onnxruntime (see `novaspeech export`)",
        choices=("torch", "onnx"),
    )

    @property
    def compute(self) -> Compute:
        from novaspeech.models.onnx.runtime import onnx_compute

        return onnx_compute(self.device, self.precision) if self.exported else super().compute

    @property
    def exported(self) -> bool:
        """Whether the model must be one of `novaspeech export`."""
        return self.backend == "onnx"


@dataclass(frozen=True)
class FrameOptions(BackendOptions):
    """The options of modules whose encoder is a `FrameEncoder`, and that can hear windows alone, too."""

    context: str = option(
        "window",
        text="what the model hears: each window on its own, or the recording, once, which is many times as fast",
        choices=("window", "recording"),
    )
    chunk: float = option(
        30.0, text="context=recording: seconds that are encoded at once", minimum=1, maximum=300, unit="s"
    )
    overlap: float = option(
        2.0, text="context=recording: seconds of a chunk's ends that are only heard", minimum=0, unit="s"
    )

    def __post_init__(self) -> None:
        """Raises OptionError for chunks that are mostly overlap."""
        if self.chunk < 3 * self.overlap:
            raise OptionError(
                f"option 'chunk' is {self.chunk:g}, less than three times 'overlap', {self.overlap:g}; make it longer"
            )

    def applied(self, inference: Inference) -> Inference:
        inference = super().applied(inference)
        return replace(inference, context=self.context, chunk=self.chunk, overlap=self.overlap)
