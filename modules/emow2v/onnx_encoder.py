"""The emotion model in onnxruntime: the published export, or one of `novaspeech export`."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emow2v.network import SCORES
from novaspeech.downloads import fetch
from novaspeech.encoder import Encoder
from novaspeech.errors import OptionError, WeightsError, first_line
from novaspeech.windows import FloatArray, WindowBatch

INPUT, OUTPUTS = "signal", ("hidden_states", "logits")
_GIVEN_BY = {"hidden_states": {"embedding"}, "logits": set(SCORES)}
SAMPLING_RATE, MIN_LENGTH = 16000, 400  # Hz, and samples of one hidden state, of every wav2vec 2.0 that is published
ABOUT = "novaspeech"  # key of the metadata in files that `novaspeech export` makes


def choose_providers(device: str, precision: str) -> list[Any]:
    """The execution providers that the options `device` and `precision` mean.

    Raises:
        OptionError: onnxruntime is missing, or does not offer what is asked for.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise OptionError("backend=onnx needs onnxruntime: pip install onnxruntime (onnxruntime-gpu for CUDA)")
    import onnxruntime

    if precision not in ("auto", "float32"):
        raise OptionError(
            f"option 'precision' is {precision!r}; with backend=onnx it is the file's own: leave it at auto, or name a "
            f"file of `novaspeech export emow2v --precision int8` in the option 'model'"
        )
    offered = onnxruntime.get_available_providers()
    cuda = "CUDAExecutionProvider" in offered
    if device == "mps" or (device == "cuda" and not cuda):
        raise OptionError(
            f"option 'device' is {device!r}, which onnxruntime {onnxruntime.__version__} does not offer here "
            f"({', '.join(offered)}); use cpu, or install onnxruntime-gpu for CUDA"
        )
    if device == "cpu" or not cuda:
        return ["CPUExecutionProvider"]
    return [("CUDAExecutionProvider", {"use_tf32": int(precision == "auto")}), "CPUExecutionProvider"]


def onnx_file(model: str, published: Any, log: Callable[[str], None]) -> Path:
    """The .onnx file that the option `model` means.

    Args:
        model: an .onnx file, or a folder that holds one.
        published: the trainer's `<uri>` if the published export is meant, else None.
        log: takes a line when something is fetched.

    Raises:
        WeightsError: there is none.
    """
    path = fetch(published, log) if published else Path(model).expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        raise WeightsError(
            f"model {model!r} is neither an .onnx file nor a folder with one; of a Hub id make one first: "
            f"novaspeech export emow2v --model {model} --out DIR"
        )
    files = sorted(path.rglob("*.onnx"))
    chosen = [file for file in files if file.name == "model.onnx"] or files
    if len(chosen) != 1:
        raise WeightsError(
            f"{path} holds {len(chosen)} .onnx files; name one of them in the option 'model', or make one: novaspeech "
            f"export emow2v --model {path} --out DIR"
        )
    return chosen[0]


class OnnxEncoder(Encoder):
    """Windows of raw signal → pooled hidden states and scores, by onnxruntime.

    Args:
        file: with the input `signal` (batch, time) and the outputs `hidden_states` (batch, D) and `logits` (batch, 3),
            all float32.
        providers: as onnxruntime takes them.

    Raises:
        WeightsError: the file is no such model.
    """

    def __init__(self, file: Path, providers: list[Any]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = onnxruntime.InferenceSession(str(file), options, providers=providers)
        except Exception as error:  # onnxruntime has a dozen, all of them Exceptions only
            raise WeightsError(f"{file} cannot be used by onnxruntime: {first_line(error)}") from error
        about = json.loads(self._session.get_modelmeta().custom_metadata_map.get(ABOUT, "{}"))
        self._check_signature(file)
        self._provider = self._session.get_providers()[0]
        # int8 scales the whole batch alike: window by window, a result does not depend on its neighbours.
        self._one_by_one = self._session.get_inputs()[0].shape[0] == 1 or about.get("precision") == "int8"
        super().__init__(
            sampling_rate=about.get("sampling_rate", SAMPLING_RATE),
            min_length=about.get("min_length", MIN_LENGTH),
            device=torch.device("cpu"),  # where batches come from and outputs go to
            dimensions=self._probe(file) | dict.fromkeys(SCORES, 1),
        )

    @property
    def best_batch(self) -> int | None:
        if self._one_by_one:
            return 1
        return super().best_batch if self._provider == "CPUExecutionProvider" else None

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        wanted = [name for name in OUTPUTS if (set(names) & _GIVEN_BY[name])]
        found = dict(zip(wanted, self._run(batch.windows.numpy(), wanted), strict=True))
        outputs = {}
        if "hidden_states" in found:
            outputs["embedding"] = torch.from_numpy(found["hidden_states"])
        if "logits" in found:
            outputs |= dict(zip(SCORES, torch.from_numpy(found["logits"]).chunk(len(SCORES), dim=1), strict=True))
        return outputs

    def __str__(self) -> str:
        return f"onnxruntime's {self._provider}"

    def _run(self, windows: FloatArray, wanted: Sequence[str]) -> list[FloatArray]:
        import onnxruntime

        only = onnxruntime.RunOptions()
        only.only_execute_path_to_fetches = True
        try:
            arrays: list[FloatArray] = self._session.run(wanted, {INPUT: np.ascontiguousarray(windows)}, only)
        except Exception as error:  # onnxruntime's are no RuntimeErrors, by which inference knows a full GPU
            if "Failed to allocate memory" in str(error):
                raise RuntimeError(f"out of memory: {error}") from error
            raise
        return arrays

    def _check_signature(self, file: Path) -> None:
        def describe(values: list[Any]) -> str:
            return ", ".join(f"{value.name} {value.type.removeprefix('tensor')} {value.shape}" for value in values)

        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        found = {value.name: value for value in (*inputs, *outputs)}
        right = [value.name for value in inputs] == [INPUT] and all(
            name in found and found[name].type == "tensor(float)" and len(found[name].shape or (0, 0)) == 2
            for name in (INPUT, *OUTPUTS)
        )
        if right:
            batch, time = found[INPUT].shape or (None, None)
            right = batch in (None, 1) or isinstance(batch, str)
            right &= not isinstance(time, int) and found["logits"].shape[1] in (None, "", len(SCORES))
        if not right:
            raise WeightsError(
                f"{file} is a model of another kind: it takes {describe(inputs)} and gives {describe(outputs)}; needed "
                f"are signal (float) [batch, time], hidden_states (float) [batch, D] and logits (float) [batch, 3], "
                f"batch free or 1, time free"
            )

    def _probe(self, file: Path) -> dict[str, int]:
        """Dimension of the embeddings, seen on a second of noise: shapes in a file may be left out, or wrong."""
        noise = np.random.default_rng(0).standard_normal((1, SAMPLING_RATE)).astype(np.float32)
        try:
            hidden, scores = self._run(noise, OUTPUTS)
        except Exception as error:  # as above
            raise WeightsError(f"{file} fails on 1 s of noise: {first_line(error)}") from error
        if hidden.ndim != 2 or len(hidden) != 1 or scores.shape != (1, len(SCORES)):
            raise WeightsError(
                f"{file} gives hidden_states {hidden.shape} and logits {scores.shape} for one window; (1, D) and "
                f"(1, {len(SCORES)}) are needed"
            )
        return {"embedding": hidden.shape[1]}
