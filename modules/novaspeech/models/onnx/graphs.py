"""Changes to ONNX graphs that torch wrote: useless nodes go, and weights get 8 bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from novaspeech.models.onnx.runtime import signed_file


def drop_guards(file: Path) -> None:
    """Removes the guard that torch writes behind each softmax of an attention: zeros in place of NaN.

    Only a frame that may see no other has NaN there, and ours see all. Guards took half of the time over 30 s.
    """
    import onnx

    model = onnx.load(file, load_external_data=False)
    nodes = list(model.graph.node)
    makers = {output: node for node in nodes for output in node.output}
    passed: dict[str, str] = {}  # output of a guard → what it guards
    dropped = []
    for node in nodes:
        test = makers.get(node.input[0]) if node.op_type == "Where" else None
        guarded = test is not None and test.op_type == "IsNaN" and test.input[0] == node.input[2]
        if guarded and makers[node.input[2]].op_type == "Softmax":
            passed[node.output[0]] = node.input[2]
            dropped += [id(test), id(node)]
    for node in nodes:
        for index, name in enumerate(node.input):
            node.input[index] = passed.get(name, name)
    model.graph.ClearField("node")
    model.graph.node.extend(node for node in nodes if id(node) not in dropped)
    onnx.save(model, file)


def quantise(file: Path) -> None:
    """Puts 8-bit weights into a graph.

    Weights are unsigned: products of signed ones saturate on processors with AVX2 only, and differ from one processor
    to the next. `write_signed` is for newer ones. The first convolution, which sees the raw signal, stays as it is:
    8 bits would cost accuracy there, and win no time.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(file)
    # The quantiser turns Gemm around into MatMul, and then stumbles over the shapes that were noted down before.
    model.graph.ClearField("value_info")
    narrow = {tensor.name for tensor in model.graph.initializer if tensor.dims and tensor.dims[0] < 32}
    kept = [node.name for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in narrow]
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        whole = Path(folder, file.name)
        onnx.save(model, whole, save_as_external_data=True, location=f"{file.name}.data")
        for old in file.parent.glob(f"{file.name}*"):  # onnx would append to weights that are there
            old.unlink()
        quantize_dynamic(
            whole, file, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QUInt8,
            nodes_to_exclude=kept, extra_options={"MatMulConstBOnly": True}, use_external_data_format=True,
        )  # fmt: skip


def write_signed(file: Path) -> None:
    """Writes a second graph, with the same 8-bit weights less 128.

    Products of unsigned activations with signed weights have instructions of their own in newer processors (VNNI, AMX).
    Both graphs give the same numbers. (One set of weights, shifted at loading, would no longer be mapped into memory,
    but copied, several times.)
    """
    import onnx
    from onnx import TensorProto, numpy_helper

    model = onnx.load(file)
    for tensor in model.graph.initializer:  # weights and their zero points
        if tensor.data_type == TensorProto.UINT8:
            signed = (numpy_helper.to_array(tensor) ^ 0x80).view(np.int8)
            tensor.CopyFrom(numpy_helper.from_array(signed, tensor.name))
    onnx.save(model, signed_file(file), save_as_external_data=True, location=f"{signed_file(file).name}.data")
