"""One small network per element type, and a real network that was quantised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.models_of_reports.building import FLOAT, constant, graph, model, op, tensor

ROWS, D = 8, 64


def by_type() -> Mapping[str, onnx.ModelProto]:
    """By name: a matrix product in that type, or behind a conversion from or to it."""
    rng = np.random.default_rng(0)
    w = (rng.standard_normal((D, D)) * 0.1).astype(np.float32)
    half, bfloat = w.astype(np.float16), w.astype(ml_dtypes.bfloat16)
    eighth = numpy_helper.from_array(w.astype(ml_dtypes.float8_e4m3fn), "w8")
    fourth = helper.make_tensor("w4", TensorProto.INT4, [D, D], rng.integers(-8, 8, D * D).tolist())
    product = [op("MatMul", "x w", "m", "product"), op("Relu", "m", "y", "relu")]
    step = constant("s", np.float32(0.01))

    def made(
        nodes: Sequence[onnx.NodeProto],
        constants: Sequence[onnx.TensorProto],
        inside: int = FLOAT,
        outside: int = FLOAT,
        **domains: int,
    ) -> onnx.ModelProto:
        ends = [tensor("x", [ROWS, D], inside)], [tensor("y", [ROWS, D], outside)]
        return model(graph("typed", nodes, *ends, constants), 21, **domains)

    return {
        "fp16": made(product, [constant("w", half)], TensorProto.FLOAT16, TensorProto.FLOAT16),
        "bf16": made(product, [constant("w", bfloat)], TensorProto.BFLOAT16, TensorProto.BFLOAT16),
        "bf16_inside": made(
            [
                op("Cast", "x", "xb", "in", to=TensorProto.BFLOAT16),
                op("MatMul", "xb w", "m", "product"),
                op("Cast", "m", "y", "out", to=FLOAT),
            ],
            [constant("w", bfloat)],
        ),
        "double": made(
            product, [constant("w", w.astype(np.float64))], TensorProto.DOUBLE, TensorProto.DOUBLE
        ),
        "uint8_input": made(
            [op("Cast", "x", "xf", "cast", to=FLOAT), op("MatMul", "xf w", "y", "product")],
            [constant("w", w)],
            TensorProto.UINT8,
        ),
        "int4_weights": made(
            [op("DequantizeLinear", "w4 s4", "w", "widen", axis=0, block_size=32), *product],
            [fourth, constant("s4", np.full((2, D), 0.01, np.float32))],
        ),
        "float8_weights": made(
            [op("DequantizeLinear", "w8 s", "w", "widen"), *product], [eighth, step]
        ),
        "int4_input": made([op("DequantizeLinear", "x s", "y", "widen")], [step], TensorProto.INT4),
        "uint4_output": made(
            [op("QuantizeLinear", "x s", "y", "narrow", output_dtype=TensorProto.UINT4)],
            [step],
            outside=TensorProto.UINT4,
        ),
        "4_bit_product": made(
            [
                op(
                    "MatMulNBits",
                    "x b scales",
                    "y",
                    "product",
                    domain="com.microsoft",
                    K=D,
                    N=D,
                    bits=4,
                    block_size=32,
                )
            ],
            [
                constant("b", rng.integers(0, 255, (D, 2, 16)).astype(np.uint8)),
                constant("scales", np.full(D * 2, 0.01, np.float32)),
            ],
            com_microsoft=1,
        ),
        "int8_convolution": _int8_convolution(rng),
    }


def _int8_convolution(rng: np.random.Generator) -> onnx.ModelProto:
    """A convolution between QuantizeLinear and DequantizeLinear."""
    nodes = [
        op("QuantizeLinear", "x sx middle", "xq", "q0"),
        op("DequantizeLinear", "xq sx middle", "xd", "dq0"),
        op("DequantizeLinear", "wq sw zero", "wd", "dqw"),
        op("Conv", "xd wd", "c", "conv"),
        op("QuantizeLinear", "c sy middle", "cq", "q1"),
        op("DequantizeLinear", "cq sy middle", "y", "dq1"),
    ]
    constants = [
        constant("wq", rng.integers(-127, 127, (16, 3, 3, 3)).astype(np.int8)),
        *(constant(n, np.float32(v)) for n, v in (("sx", 0.01), ("sw", 0.01), ("sy", 0.05))),
        constant("zero", np.int8(0)),
        constant("middle", np.uint8(128)),
    ]
    ends = [tensor("x", [1, 3, 48, 48])], [tensor("y", [1, 16, 46, 46])]
    return model(graph("int8", nodes, *ends, constants), 13)


def quantised_squeezenet(folder: Path) -> Path:
    """A published network with random weights, quantised by ONNX Runtime's static quantiser.

    Its weights are int8 per channel, its activations uint8, in the QDQ form.
    """
    import onnxruntime
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    source = Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx"
    proto = onnx.load(str(source))
    constants = {t.name for t in proto.graph.initializer}
    inputs = [i for i in proto.graph.input if i.name not in constants]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    proto.ir_version = 8
    # Its weights are ConstantOfShape nodes; the basic optimisations make initializers of them.
    listed, folded = folder / "listed.onnx", folder / "folded.onnx"
    onnx.save(proto, str(listed))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(listed), options, providers=["CPUExecutionProvider"])
    proto, rng = onnx.load(str(folded)), np.random.default_rng(0)
    for t in proto.graph.initializer:
        array = numpy_helper.to_array(t)
        if array.dtype == np.float32 and array.ndim > 1:
            drawn = rng.standard_normal(array.shape) * np.sqrt(2 / np.prod(array.shape[1:]))
            t.CopyFrom(numpy_helper.from_array(drawn.astype(np.float32), t.name))
    onnx.save(onnx.version_converter.convert_version(proto, 13), str(folded))
    shape = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]

    class Pictures(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = 2

        def get_next(self) -> dict[str, np.ndarray] | None:
            self.left -= 1
            return {inputs[0].name: rng.random(shape, np.float32)} if self.left >= 0 else None

    path = folder / "quantised.onnx"
    quantize_static(
        str(folded),
        str(path),
        Pictures(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    return path
