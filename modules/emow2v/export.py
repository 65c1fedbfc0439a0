"""`novaspeech export emow2v`: the model as one ONNX file, compared with torch before it is written."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emow2v.network import PUBLISHED, EmotionModel, load_emotion_model
from emow2v.onnx_encoder import ABOUT, INPUT, OUTPUTS
from novaspeech.errors import ModelError, OptionError, first_line
from novaspeech.hooks import Log
from novaspeech.models import weights
from novaspeech.models.wav2vec2 import ChannelsLastConvolutions, frame_geometry, prepare_for_inference

FLOAT_TOLERANCE = 1e-4  # of the largest value
LEAST_COSINE = 0.99  # of embeddings in int8: below, something is broken rather than rounded
_SHAPES = ((1, 16000), (3, 15889), (2, 48000), (5, 400))  # windows × samples that are compared


def export(model: str | None, precision: str, out: Path, log: Log = print) -> Path:
    """Writes `model.onnx` and `model.json` (what it is, and how it compares) into a folder.

    The graph takes raw windows `signal` (batch, time) float32, both free, and gives `hidden_states` (batch, D), the
    mean over time, and `logits` (batch, 3); normalisation is inside.

    Args:
        model: Hub id or folder; None for the published one.
        precision: "float32", or "int8": the products with weights in 8 bit, scaled per channel, and their inputs in
            8 bit, scaled as they come.
        out: the folder; made if need be.

    Raises:
        OptionError: onnx, onnxscript or onnxruntime is missing.
        WeightsError: the model cannot be had.
        ModelError: the file does not give torch's numbers; nothing is written.
    """
    _need_packages()
    source = model or PUBLISHED
    folder = weights.model_folder(source, ["wav2vec2"], log)
    network, sampling_rate = load_emotion_model(folder)
    prepare_for_inference(network.wav2vec2)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix="partial-") as temporary, _quiet():
        file, note = Path(temporary, "float32.onnx"), Path(temporary, "model.json")
        log(f"exporting {source}")
        _trace(network, file)
        if precision == "int8":
            log("quantising its weights")
            file = _quantise(file)
        compared = _compare(network, file, precision)
        revision = folder.name if folder.parent.name == "snapshots" else None
        about = {"source": source, "revision": revision, "precision": precision, "sampling_rate": sampling_rate}
        _describe(file, note, network, about | {"compared_with_torch": compared})
        note.replace(out / note.name)
        target = file.replace(out / "model.onnx")
    log(f"{target}: {compared}")
    return target


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides what exporter and quantiser remark about themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def _need_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise OptionError(f"export needs {error.name}: pip install onnx onnxscript onnxruntime") from error


def _trace(network: EmotionModel, file: Path) -> None:
    convolutions = network.wav2vec2.feature_extractor
    if isinstance(convolutions, ChannelsLastConvolutions):
        convolutions.chunk_samples = None  # how many chunks depends on the batch, which a graph cannot
    try:
        with torch.no_grad():
            torch.onnx.export(
                network,
                (torch.randn(2, 16000),),
                file,
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_shapes={"signal": {0: "batch", 1: "time"}},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # whatever of the model torch does not know how to write
        raise ModelError(f"torch {torch.__version__} cannot export this model: {first_line(error)}") from error


def _quantise(file: Path) -> Path:
    """A copy of the graph with 8-bit weights.

    Unsigned weights: products of signed ones saturate on processors with AVX2 only, and differ from one processor to
    the next. The first convolution, which sees the raw signal, and the head stay as they are: there 8 bits would cost
    accuracy, and win no time.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(file)
    # The quantiser turns Gemm around into MatMul, and then stumbles over the shapes that were noted down before.
    model.graph.ClearField("value_info")
    narrow = {tensor.name for tensor in model.graph.initializer if tensor.dims and tensor.dims[0] < 32}
    kept = [node.name for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in narrow]
    # The head's two layers are the only Gemm; the quantiser renames them as it turns them around.
    kept += [f"{node.name}_MatMul" for node in model.graph.node if node.op_type == "Gemm"]
    onnx.save(model, file)
    target = file.with_name("int8.onnx")
    quantize_dynamic(
        file,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QUInt8,
        nodes_to_exclude=kept,
        extra_options={"MatMulConstBOnly": True},
    )
    return target


def _compare(network: EmotionModel, file: Path, precision: str) -> dict[str, Any]:
    """Differences to torch on random signals of several lengths.

    Raises:
        ModelError: they are larger than rounding explains.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    pairs = []
    for shape in _SHAPES:
        signal = (random.standard_normal(shape) * random.uniform(0.01, 1, (shape[0], 1))).astype(np.float32)
        with torch.inference_mode():
            expected = [output.numpy() for output in network(torch.from_numpy(signal))]
        windows = signal[:, None] if precision == "int8" else signal[None]  # as the encoder runs them
        found = [session.run(OUTPUTS, {INPUT: window}) for window in windows]
        pairs.append((expected, [np.concatenate(column) for column in zip(*found, strict=True)]))
    hidden, scores = (
        [np.concatenate([pair[side][index] for pair in pairs]) for side in (0, 1)] for index in range(len(OUTPUTS))
    )
    cosine = (hidden[0] * hidden[1]).sum(1) / np.linalg.norm(hidden[0], axis=1) / np.linalg.norm(hidden[1], axis=1)
    relative = [float(np.abs(a - b).max() / np.abs(a).max()) for a, b in (hidden, scores)]
    # Written so that NaN is not good enough, either.
    if not (np.max(relative) <= FLOAT_TOLERANCE if precision == "float32" else cosine.min() >= LEAST_COSINE):
        raise ModelError(
            f"the ONNX file differs from torch: by {np.max(relative):.2g} of the largest value, least cosine "
            f"{cosine.min():.6f}; nothing was written"
        )
    return {
        "on": f"random signals of {', '.join(f'{windows} × {samples}' for windows, samples in _SHAPES)} samples",
        "largest_relative_difference": dict(zip(OUTPUTS, relative, strict=True)),
        "largest_score_difference": float(np.abs(scores[0] - scores[1]).max()),
        "least_cosine": float(cosine.min()),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def _describe(file: Path, note: Path, network: EmotionModel, about: dict[str, Any]) -> None:
    """Writes what the file is into `note`, and into its own metadata, which cannot be lost."""
    import onnx

    about |= {"min_length": frame_geometry(network.config)[1], "normalised_inside": network.standardised}
    about |= {"made_by": f"novaspeech export emow2v, {datetime.date.today()}"}
    note.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    model = onnx.load(file)
    onnx.helper.set_model_props(model, {ABOUT: json.dumps(about)})
    onnx.save(model, file)
