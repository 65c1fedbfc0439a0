"""The emotion model as one ONNX graph from windows to scores: the published file, and others of its form."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emow2v.network import SCORES
from novaspeech.arrays import FloatArray
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import ModelError, WeightsError, first_line
from novaspeech.hooks import Log
from novaspeech.inference.encoder import Encoder
from novaspeech.models import weights
from novaspeech.models.compute import Compute
from novaspeech.models.downloads import fetch
from novaspeech.models.onnx.runtime import OnnxGraph
from novaspeech.wording import advice

INPUT, OUTPUTS = "signal", ("hidden_states", "logits")
_GIVEN_BY = {"hidden_states": {"embedding"}, "logits": set(SCORES)}
PROBED = 12_345  # samples of a window that tries a model; a length that no model is fixed to
SAMPLING_RATE, MIN_LENGTH = 16000, 400  # Hz, and samples of one hidden state; every published wav2vec 2.0 has these


def onnx_file(model: str, published: Any, log: Log) -> Path:
    """The .onnx file that the option `model` means.

    Args:
        model: an .onnx file, or a folder that holds one.
        published: the trainer's `<uri>` if the published export is meant, else None.

    Raises:
        WeightsError: there is no such file.
    """
    path = fetch(published, log) if published else weights.local_path(model)
    if path.is_file():
        return path
    if not model or not path.is_dir():
        raise WeightsError(
            f"model {model!r} is neither an .onnx file nor a folder with one; of a Hub id make one first: "
            f"novaspeech export emow2v --model {model} --out DIR"
        )
    files = sorted([*path.glob("*.onnx"), *path.glob("*/*.onnx")])
    chosen = [file for file in files if file.name == "model.onnx"] or files
    if len(chosen) != 1:
        raise WeightsError(
            f"{path} holds {len(chosen)} .onnx files; choose one of them ({advice('model', 'FILE')}), or make "
            f"one: novaspeech export emow2v --model {path} --out DIR"
        )
    return chosen[0]


class WindowsEncoder(Encoder):
    """Windows of raw signal → pooled hidden states and scores, by onnxruntime.

    Args:
        file: a graph with the input `signal` (batch, time) and the outputs `hidden_states` (batch, D) and `logits`
            (batch, 3), all float32.

    Raises:
        WeightsError: the file is another model.
        OptionError: CUDA is asked for, and does not start.
    """

    def __init__(self, file: Path, compute: Compute) -> None:
        self._file, self._graph = file, OnnxGraph(file, compute)
        width, one_by_one = self._probe()
        dimensions = {"embedding": width} | dict.fromkeys(SCORES, 1)
        super().__init__(sampling_rate=SAMPLING_RATE, min_length=MIN_LENGTH, dimensions=dimensions, compute=compute)
        if one_by_one:
            self.max_batch = 1

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        wanted = [name for name in OUTPUTS if set(names) & _GIVEN_BY[name]]
        found = dict(zip(wanted, map(torch.from_numpy, self._run(batch.windows.numpy(), wanted)), strict=True))
        outputs = {"embedding": found["hidden_states"]} if "hidden_states" in found else {}
        if "logits" in found:
            outputs |= dict(zip(SCORES, found["logits"].chunk(len(SCORES), dim=1), strict=True))
        return outputs

    def __str__(self) -> str:
        return f"onnxruntime's {self._graph.provider} ({self._file})"

    def _run(self, windows: FloatArray, wanted: Sequence[str]) -> list[FloatArray]:
        return self._graph.run({INPUT: windows}, wanted)

    def _probe(self) -> tuple[int, bool]:
        """Dimension of the embeddings, and whether windows must go one by one, both found with noise.

        Shapes in a file may be missing or wrong. And dynamic int8 scales a whole batch alike: windows go one by one
        then, so that no result depends on its neighbours.
        """
        noise = np.random.default_rng(0).standard_normal((2, PROBED)).astype(np.float32)
        noise[1] *= 0.01
        try:
            rows = [self._run(row[None], OUTPUTS) for row in noise]
            hidden, scores = alone = [np.concatenate(column) for column in zip(*rows, strict=True)]
        except (ModelError, RuntimeError, ValueError) as error:
            raise self._other_kind(first_line(error)) from error
        if hidden.ndim != 2 or len(hidden) != 2 or scores.shape != (2, len(SCORES)):
            raise self._other_kind(f"hidden_states {hidden.shape} and logits {scores.shape} for two windows")
        try:
            together = self._run(noise, OUTPUTS)
        except (ModelError, RuntimeError):
            return hidden.shape[1], True
        same = all(
            a.shape == b.shape and np.abs(a - b).max() <= 1e-4 * np.abs(a).max()
            for a, b in zip(alone, together, strict=True)
        )
        return hidden.shape[1], not same

    def _other_kind(self, fault: str) -> WeightsError:
        takes, gives = (
            ", ".join(f"{value.name} {value.type.removeprefix('tensor')} {value.shape}" for value in values)
            for values in (self._graph.session.get_inputs(), self._graph.session.get_outputs())
        )
        return WeightsError(
            f"{self._file} is a model of another kind: it takes {takes} and gives {gives} ({fault}); needed are signal "
            f"(float) [batch, time], hidden_states (float) [batch, D] and logits (float) [batch, 3], batch free or 1, "
            f"time free"
        )
