"""`novaspeech export`: a model's graphs for onnxruntime, kept only if they agree with torch."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from novaspeech.audio.signal import Signal
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import ModelError, OptionError, first_line
from novaspeech.hooks import Log
from novaspeech.inference.encoder import Encoder
from novaspeech.models.folder import ABOUT, NETWORK
from novaspeech.models.frames import END, FrameModel, TorchNetwork
from novaspeech.models.front import SignalFront
from novaspeech.models.onnx.exported import CONVOLUTIONS, FEATURES, KEPT, OF_FIRST, TAKEN, hidden_name
from novaspeech.models.onnx.graphs import drop_guards, quantise, write_signed
from novaspeech.saving import hidden_folder

FLOAT_TOLERANCE = 1e-4  # maximum difference, relative to a layer's largest value
LEAST_COSINE = 0.99  # minimum for int8's hidden states, pooled over a second; below, something is broken, not rounded
_SECONDS = (1.0, 0.99, 3.0)  # lengths of the compared windows, besides the shortest


def export(
    encoder: Encoder, reopen: Callable[[Path], Encoder], precision: str, out: Path, about: Mapping[str, Any], log: Log
) -> None:
    """Writes a module's model for backend=onnx into a folder: onnxruntime's graphs, and weights that torch needs.

    The network's graph takes features, and gives the hidden states of all layers. Models of raw signal have a second
    graph for their convolutions. Batch and time are free.

    Args:
        encoder: the model in torch, float32, on the CPU; it cannot be used afterwards.
        reopen: loads the folder for backend=onnx.
        precision: "float32", or "int8": products with weights in 8 bit, scaled per channel, and their inputs in 8 bit,
            scaled as they come.

    Raises:
        OptionError: onnx, onnxscript or onnxruntime is missing.
        ModelError: the model cannot be exported, or the files do not give torch's numbers; nothing is written.
    """
    model = encoder.model
    assert model is not None
    known = dict(about) | {"precision": precision, "fingerprint": encoder.fingerprint}
    shortest = max(encoder.min_length, model.front.frame_length)
    batches = [_noise(length) for length in (shortest, *(round(s * encoder.sampling_rate) for s in _SECONDS))]
    out.mkdir(parents=True, exist_ok=True)
    with hidden_folder(out) as target, _quiet():
        expected = [_found(encoder, batch) for batch in batches]
        for file in model.folder.iterdir():  # configuration, extractor, vocabulary
            if file.suffix in (".json", ".txt") and not file.name.endswith(".index.json"):
                shutil.copy(file, target)
        _write_graphs(model, target, precision, log)
        save_file(_kept(encoder), target / KEPT)
        (target / ABOUT).write_text(json.dumps(known), encoding="utf-8")
        compared = _compare(reopen(target), batches, expected, precision)
        (target / ABOUT).write_text(
            json.dumps(known | {"compared_with_torch": compared}, indent=2) + "\n", encoding="utf-8"
        )
        _move(target, out)
    log(f"{out}: {compared}")


def _move(made: Path, out: Path) -> None:
    """Moves an export's files to their place, last what marks a whole one."""
    mode = (made / ABOUT).stat().st_mode  # safetensors and onnxruntime let nobody else read what they write
    for file in sorted(made.iterdir(), key=lambda file: file.name == ABOUT):
        file.chmod(mode)
        file.replace(out / file.name)


def made_with() -> dict[str, str]:
    """Name of each package that an export needs → its version; OptionError if one is missing."""
    try:
        import onnx
        import onnxruntime
        import onnxscript
    except ImportError as error:
        raise OptionError(f"export needs {error.name}: pip install onnx onnxscript onnxruntime") from error
    return {package.__name__: package.__version__ for package in (torch, onnx, onnxruntime, onnxscript)}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences remarks of exporter and quantiser inside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def _kept(encoder: Encoder) -> dict[str, torch.Tensor]:
    """Weights that torch still needs: of the head, and of a first convolution with a group norm."""
    front = encoder.model.front if encoder.model else None
    first = front.first if isinstance(front, SignalFront) else None
    kept = {OF_FIRST + name: values for name, values in (first.state_dict() if first else {}).items()}
    if encoder.pretrained is not None:
        state = encoder.pretrained.state_dict()
        kept |= {name: values for name, values in state.items() if not name.startswith("wav2vec2.")}
    return {name: values.contiguous() for name, values in kept.items()}


class _States(nn.Module):
    """A network's hidden states as outputs of a graph."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self.network(features, output_hidden_states=True)
        return (*outputs.hidden_states, outputs.last_hidden_state + 0)  # + 0: a graph's tensor has one name only


def _write_graphs(model: FrameModel, target: Path, precision: str, log: Log) -> None:
    front, network = model.front, model.network
    assert isinstance(network, TorchNetwork)
    write = partial(_write_graph, int8=precision == "int8", log=log)
    with torch.no_grad():
        shorter, longer = (front(WindowBatch(torch.randn(size + 640), size, 640)) for size in (16000, 19200))
    lengths = enumerate(zip(shorter.shape, longer.shape, strict=True))
    free = {axis: "time" if axis else "batch" for axis, (one, other) in lengths if not axis or one != other}
    outputs = [hidden_name(layer) for layer in (*range(network.last + 1), END)]
    write(target / NETWORK, _States(network.module), {FEATURES: (shorter, free)}, outputs)
    if isinstance(front, SignalFront):
        signal = torch.randn(2, 16000)
        inputs = (signal, *(front.first.of_windows(signal) if front.first else ()))
        axes = ({0: "batch", 1: "time"}, {0: "batch"}, {0: "batch"})
        given = dict(zip(TAKEN, zip(inputs, axes, strict=False), strict=False))
        assert isinstance(front.convolutions, nn.Module)
        write(target / CONVOLUTIONS, front.convolutions, given, [FEATURES])


def _write_graph(
    file: Path, module: nn.Module, inputs: dict[str, tuple[torch.Tensor, Any]], gives: list[str], int8: bool, log: Log
) -> None:
    """Writes one graph; its inputs are named, with an example and the free axes of each."""
    examples, axes = zip(*inputs.values(), strict=True)
    log(f"writing {file.name}")
    try:
        with torch.no_grad():
            torch.onnx.export(
                module, examples, file, input_names=list(inputs), output_names=gives, dynamic_shapes=axes, dynamo=True,
                external_data=True, verbose=False,
            )  # fmt: skip
    except Exception as error:  # torch raises many kinds
        raise ModelError(f"torch {torch.__version__} cannot export this model: {first_line(error)}") from error
    drop_guards(file)
    if int8:
        log(f"quantising {file.name}")
        quantise(file)
        write_signed(file)


def _noise(length: int) -> WindowBatch:
    """Three windows of noise, each at another level."""
    random = np.random.default_rng(0)
    signal = random.standard_normal(3 * length) * np.repeat([0.01, 1, 0.1], length)
    return WindowBatch(torch.from_numpy(signal.astype(np.float32)), length, length)


def _found(encoder: Encoder, batch: WindowBatch) -> list[torch.Tensor]:
    """Hidden states (B, F, D) of all layers, of windows and then of chunks; last the first output (B, 1, D)."""
    model = encoder.model
    assert model is not None
    layers = (*range(model.network.last + 1), END)
    with torch.inference_mode():
        alone = model.hidden_states(batch, layers)
        statistics = model.front.statistics_of(Signal(model.front.sampling_rate, [batch.signal.numpy()]))
        together = model.hidden_states(replace(batch, statistics=statistics), layers)
        output = next(iter(encoder.dimensions))
        return [*alone.values(), *together.values(), encoder.encode(batch, [output])[output].unsqueeze(1)]


def _compare(
    encoder: Encoder, batches: list[WindowBatch], expected: list[list[torch.Tensor]], precision: str
) -> dict[str, Any]:
    """Differences to torch on noise; ModelError if they are larger than rounding explains."""
    relative, cosines, of_seconds = [], [], []
    for batch, theirs in zip(batches, expected, strict=True):
        for a, b in zip(theirs, _found(encoder, batch), strict=True):
            relative.append(float((a - b).abs().max() / a.abs().max()))
            cosines.append(float(torch.cosine_similarity(a.mean(dim=1), b.mean(dim=1)).min()))
            if batch is not batches[0]:  # the shortest has a frame or two: no mean evens out their rounding
                of_seconds.append(cosines[-1])
    # NaN fails these comparisons, too.
    if not (max(relative) <= FLOAT_TOLERANCE if precision == "float32" else min(of_seconds) >= LEAST_COSINE):
        raise ModelError(
            f"what onnxruntime gives differs from torch: by {max(relative):.2g} of the largest value, least cosine "
            f"{min(of_seconds):.6f}; nothing was written"
        )
    return {
        "on": f"noise, three windows of {', '.join(str(batch.length) for batch in batches)} samples each",
        "largest_relative_difference": max(relative),
        "least_cosine": min(cosines),
    }
