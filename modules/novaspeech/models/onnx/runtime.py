"""onnxruntime: its device, and a graph at work."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from novaspeech.arrays import FloatArray
from novaspeech.errors import ModelError, OptionError, WeightsError, first_line
from novaspeech.models.compute import ON_CPU, Compute
from novaspeech.wording import advice

# An ONNX graph: x (64, 64) uint8 times weights that all are the int8 127. tests/novaspeech/test_export.py makes one.
_PRODUCT = (
    "CAgSADqYAQowCgVzaGFwZRIBdyIPQ29uc3RhbnRPZlNoYXBlKhMKBXZhbHVlKgcIARADSgF/oAEEChgKAXgKAXcSAXkiDU1hdE11bEludGVnZXIS"
    "AWcqHQgCEAdCBXNoYXBlShBAAAAAAAAAAEAAAAAAAAAAWhMKAXgSDgoMCAISCAoCCEAKAghAYhMKAXkSDgoMCAYSCAoCCEAKAghAQgQKABAN"
)
_FULL = ("Failed to allocate memory", "out of memory", "ALLOC_FAILED")  # onnxruntime's words for a full GPU


class OnnxGraph:
    """An ONNX file at work.

    Args:
        int8: whether its weights have 8 bit. Rows then go through it one by one: dynamic int8 scales a whole batch
            alike, so that a window would depend on its neighbours. Its twin with signed weights runs if it can.

    Raises:
        WeightsError: the file is of no use to onnxruntime.
        OptionError: CUDA is asked for, and does not start.
    """

    def __init__(self, file: Path, compute: Compute, int8: bool = False) -> None:
        import onnxruntime

        self._file, self._alone = file, int8
        if int8 and compute.on_cpu and signed_file(file).is_file() and _multiplies_signed_exactly():
            self._file = signed_file(file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self.session = onnxruntime.InferenceSession(str(self._file), options, providers=list(compute.providers))
        except Exception as error:  # onnxruntime has a dozen, all of them Exceptions only
            raise WeightsError(f"{file} cannot be used by onnxruntime: {first_line(error)}") from error
        self.provider: str = self.session.get_providers()[0]
        if compute.asked[0] == "cuda" and self.provider == ON_CPU:
            raise OptionError("option 'device' is 'cuda', which onnxruntime cannot start here (it says why above)")

    def run(self, inputs: Mapping[str, FloatArray], wanted: Sequence[str]) -> list[FloatArray]:
        """The outputs of these names, one row a window; what only others need is not computed.

        Raises:
            RuntimeError: memory is full, in words by which `Passes` knows it.
            ModelError: onnxruntime cannot run it on these inputs.
        """
        import onnxruntime

        rows = len(next(iter(inputs.values())))
        if self._alone and rows > 1:
            alone = ({name: values[row : row + 1] for name, values in inputs.items()} for row in range(rows))
            return [np.concatenate(column) for column in zip(*(self.run(one, wanted) for one in alone), strict=True)]
        only = onnxruntime.RunOptions()
        only.only_execute_path_to_fetches = True
        given = {name: np.ascontiguousarray(values) for name, values in inputs.items()}
        try:
            outputs: list[FloatArray] = self.session.run(list(wanted), given, only)
        except Exception as error:  # onnxruntime's are no RuntimeErrors, by which inference knows a full GPU
            if any(phrase in str(error) for phrase in _FULL):
                raise RuntimeError(f"out of memory: {error}") from error
            raise ModelError(f"onnxruntime cannot run {self._file}: {first_line(error)}") from error
        return outputs


def signed_file(file: Path) -> Path:
    """Path of an int8 graph's twin with signed weights."""
    return file.with_name(f"{file.stem}-signed{file.suffix}")


@functools.cache
def _multiplies_signed_exactly() -> bool:
    """Whether products of unsigned and signed bytes are exact here: with AVX2 only, sums of two go over 16 bit."""
    import onnxruntime

    session = onnxruntime.InferenceSession(base64.b64decode(_PRODUCT), providers=[ON_CPU])
    (found,) = session.run(None, {"x": np.full((64, 64), 255, np.uint8)})
    return bool((found == 64 * 255 * 127).all())


def onnx_compute(device: str = "auto", precision: str = "auto") -> Compute:
    """Device of onnxruntime by the options of these names.

    Raises:
        OptionError: onnxruntime is missing, or does not offer what is asked for.
    """
    try:
        import onnxruntime
    except ImportError as error:  # onnxruntime or its libraries are missing
        raise OptionError(
            f"backend=onnx needs onnxruntime: pip install onnxruntime (onnxruntime-gpu for CUDA); {first_line(error)}"
        ) from error
    if precision not in ("auto", "float32"):
        raise OptionError(
            f"option 'precision' is {precision!r}; with backend=onnx it is the file's own: leave it at auto; for int8 "
            f"make one: novaspeech export MODULE --precision int8 --out DIR, and {advice('model', 'DIR')}"
        )
    offered = onnxruntime.get_available_providers()
    cuda = "CUDAExecutionProvider" in offered
    if device == "mps" or (device == "cuda" and not cuda):
        raise OptionError(
            f"option 'device' is {device!r}, which onnxruntime {onnxruntime.__version__} does not offer here "
            f"({', '.join(offered)}); use cpu, or install onnxruntime-gpu for CUDA"
        )
    providers: tuple[Any, ...] = (ON_CPU,)
    if cuda and device != "cpu":
        providers = (("CUDAExecutionProvider", {"use_tf32": int(precision == "auto")}), ON_CPU)
    return Compute(providers=providers, asked=(device, precision))
