"""8-bit weights in ONNX graphs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from novaspeech.models.onnx import signed_file


def quantise(file: Path) -> None:
    """Puts 8-bit weights into a graph.

    Unsigned weights: products of signed ones saturate on processors with AVX2 only, and differ from one processor to
    the next. `write_signed` is for the others. The first convolution, which sees the raw signal, stays as it is: there
    8 bits would cost accuracy, and win no time.
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
    """Writes a second graph over the same 8-bit weights, which takes 128 off them when it is loaded.

    Products of unsigned activations with signed weights have instructions of their own in newer processors (VNNI, AMX).
    Both graphs give the same numbers.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(file, load_external_data=False)
    weights = {tensor.name for tensor in model.graph.initializer if tensor.data_type == TensorProto.UINT8}
    model.graph.initializer.append(numpy_helper.from_array(np.array(128, np.int32), "taken_off"))
    shifting = []
    for name in sorted(weights):
        shifting += [
            helper.make_node("Cast", [name], [f"{name}_wide"], to=TensorProto.INT32),
            helper.make_node("Sub", [f"{name}_wide", "taken_off"], [f"{name}_shifted"]),
            helper.make_node("Cast", [f"{name}_shifted"], [f"{name}_signed"], to=TensorProto.INT8),
        ]
    nodes = list(model.graph.node)
    for node in nodes:
        if node.op_type == "MatMulInteger":
            for place in (1, 3):  # weights and their zero points
                if node.input[place] in weights:
                    node.input[place] += "_signed"
    model.graph.ClearField("node")
    model.graph.node.extend([*shifting, *nodes])
    onnx.save(model, signed_file(file))
