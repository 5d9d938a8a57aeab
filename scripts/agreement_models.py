"""Small networks in every number format that users deploy, for scripts/check_agreement.py."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CONVNET, MLP, BLOCK = (1, 3, 32, 32), (8, 64), (1, 16, 64)
KINDS = ("fp32", "double", "fp16", "bf16", "qdq u8s8", "qdq s8s8", "qoperator", "dynamic")
INT4 = ("int4", "int4 accuracy 4", "int4 qdq")
NNCF = ("nncf int8", "nncf int4 weights")


@dataclass(frozen=True)
class Unavailable:
    """A kind that cannot be made here, because of `reason`."""

    reason: str


class Parts:
    """Nodes and weights of a network in the making; weights are random, with a fixed seed."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, *shape: int, scale: float) -> str:
        value = self.rng.standard_normal(shape) * scale
        self.weights.append(numpy_helper.from_array(value.astype(np.float32), name))
        return name

    def constant(self, name: str, value: Any) -> str:
        self.weights.append(numpy_helper.from_array(np.array(value), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(
            helper.make_node(kind, inputs, [output], name=f"{output}_node", **attributes)
        )
        return output

    def model(self, name: str, shape: tuple[int, ...], out: list[int]) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
            self.weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def convnet() -> onnx.ModelProto:
    """Six convolutions with a residual sum, and a classifier."""
    parts, read, channels = Parts(), "x", 3
    for number, wide in enumerate((16, 16, 32, 32, 32, 64)):
        w = parts.weight(f"w{number}", wide, channels, 3, 3, scale=np.sqrt(2 / (channels * 9)))
        b = parts.weight(f"b{number}", wide, scale=0.1)
        stride = 2 if number in (1, 3) else 1
        parts.add("Conv", [read, w, b], f"c{number}", pads=[1] * 4, strides=[stride] * 2)
        read = parts.add("Relu", [f"c{number}"], f"r{number}")
        if number == 4:
            read = parts.add("Add", ["r4", "r3"], "sum")
        channels = wide
    parts.add("GlobalAveragePool", [read], "mean")
    parts.add("Flatten", ["mean"], "flat")
    w = parts.weight("wf", channels, 10, scale=channels**-0.5)
    parts.add("Gemm", ["flat", w, parts.weight("bf", 10, scale=0.1)], "y")
    return parts.model("convnet", CONVNET, [1, 10])


def mlp() -> onnx.ModelProto:
    """Four matrix products with biases and three activations."""
    parts, read = Parts(), "x"
    for number in range(4):
        product = parts.add(
            "MatMul",
            [read, parts.weight(f"w{number}", 64, 64, scale=np.sqrt(2 / 64))],
            f"m{number}",
        )
        bias = parts.weight(f"b{number}", 64, scale=0.1)
        read = parts.add("Add", [product, bias], "y" if number == 3 else f"a{number}")
        if number < 3:
            read = parts.add("Relu", [read], f"r{number}")
    return parts.model("mlp", MLP, list(MLP))


def block() -> onnx.ModelProto:
    """A transformer's block: attention of four heads, and a gated layer of twice the width."""
    parts = Parts()
    tokens, width, heads = BLOCK[1], BLOCK[2], 4

    def normal(read: str, name: str) -> str:
        scale = parts.weight(f"{name}_g", width, scale=0.3)
        parts.weights[-1].CopyFrom(
            numpy_helper.from_array(1 + numpy_helper.to_array(parts.weights[-1]), scale)
        )
        shift = parts.weight(f"{name}_b", width, scale=0.1)
        return parts.add("LayerNormalization", [read, scale, shift], name, axis=-1)

    def product(read: str, name: str, rows: int, columns: int, scale: float = 1.0) -> str:
        w = parts.weight(f"w_{name}", rows, columns, scale=scale * rows**-0.5)
        return parts.add("MatMul", [read, w], name)

    first = normal("x", "first")
    split = parts.constant("split", np.array([1, tokens, heads, width // heads], np.int64))
    for name, turn in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        # Scores of a unit's size spread over the tokens, as trained attention's do.
        made = product(first, name, width, width, scale=2.0 if name in "qk" else 1.0)
        parts.add("Add", [made, parts.weight(f"b_{name}", width, scale=0.1)], f"{name}_biased")
        parts.add("Reshape", [f"{name}_biased", split], f"{name}_split")
        parts.add("Transpose", [f"{name}_split"], f"{name}_heads", perm=turn)
    parts.add("MatMul", ["q_heads", "k_heads"], "scores")
    scale = parts.constant("scale", np.float32((width // heads) ** -0.5))
    parts.add("Softmax", [parts.add("Mul", ["scores", scale], "scaled")], "share", axis=-1)
    parts.add("MatMul", ["share", "v_heads"], "mixed")
    parts.add("Transpose", ["mixed"], "turned", perm=[0, 2, 1, 3])
    join = parts.constant("join", np.array(BLOCK, np.int64))
    out = product(parts.add("Reshape", ["turned", join], "joined"), "out", width, width)
    summed = parts.add("Add", [out, "x"], "attended")
    wide = product(normal(summed, "second"), "wide", width, 2 * width)
    gate = parts.add("Sigmoid", [wide], "gate")
    narrow = product(parts.add("Mul", [wide, gate], "gated"), "narrow", 2 * width, width)
    parts.add("Add", [narrow, summed], "y")
    return parts.model("block", BLOCK, list(BLOCK))


NETWORKS: dict[str, tuple[Callable[[], onnx.ModelProto], tuple[int, ...]]] = {
    "convnet": (convnet, CONVNET),
    "mlp": (mlp, MLP),
    "block": (block, BLOCK),
}


def samples(shape: tuple[int, ...], count: int = 4) -> Iterator[dict[str, np.ndarray]]:
    """What the quantisers calibrate on: other numbers than are run, alike in kind."""
    rng = np.random.default_rng(5)
    return ({"x": rng.random(shape, dtype=np.float32)} for _ in range(count))


class Reader:
    """A calibration reader of ONNX Runtime's quantiser."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._feeds = samples(shape)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def in_kind(network: str, kind: str, folder: Path) -> Path | Unavailable:
    """A network in a number format, written into `folder`."""
    build, shape = NETWORKS[network]
    source = folder / f"{network}.onnx"
    if not source.exists():
        onnx.save(build(), str(source))
    target = folder / f"{network} {kind}.onnx"
    if kind == "fp32":
        return source
    logging.disable(logging.WARNING)
    try:
        if kind == "double" or kind == "bf16":
            onnx.save(_all_in(build(), kind), str(target))
        elif kind == "fp16":
            _fp16(source, target)
        elif kind.startswith("nncf"):
            _nncf(build(), kind, shape, target)
        elif kind.startswith("int4"):
            _int4(build(), kind, target)
        else:
            _quantised(source, kind, shape, target)
    except ImportError as error:
        return Unavailable(f"{error.name or error} is not installed")
    finally:
        logging.disable(logging.NOTSET)
    return target


def _all_in(model: onnx.ModelProto, kind: str) -> onnx.ModelProto:
    """Every float in another type; inputs and outputs of bf16 models stay as they are."""
    number = TensorProto.DOUBLE if kind == "double" else TensorProto.BFLOAT16
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            value = numpy_helper.to_array(tensor)
            kept = value.astype(helper.tensor_dtype_to_np_dtype(number))
            tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))
    if kind == "double":
        for end in (*graph.input, *graph.output):
            end.type.tensor_type.elem_type = number
        return model
    for node in graph.node:
        node.input[:] = ["x/bf16" if name == "x" else name for name in node.input]
        node.output[:] = ["y/bf16" if name == "y" else name for name in node.output]
    first = helper.make_node("Cast", ["x"], ["x/bf16"], name="in", to=number)
    last = helper.make_node("Cast", ["y/bf16"], ["y"], name="out", to=TensorProto.FLOAT)
    nodes = [first, *graph.node, last]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _fp16(source: Path, target: Path) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(onnx.load(str(source)), keep_io_types=True)
    # The tool puts its casts at the end, although each node should follow what it reads.
    waiting, known = list(model.graph.node), {t.name for t in model.graph.initializer} | {"x", ""}
    del model.graph.node[:]
    while waiting:
        node = next(n for n in waiting if known.issuperset(n.input))
        waiting.remove(node)
        known.update(node.output)
        model.graph.node.append(node)
    onnx.save(model, str(target))


def _quantised(source: Path, kind: str, shape: tuple[int, ...], target: Path) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    if kind == "dynamic":
        quantize_dynamic(str(source), str(target), weight_type=QuantType.QInt8)
        return
    quantize_static(
        str(source),
        str(target),
        Reader(shape),
        quant_format=QuantFormat.QOperator if kind == "qoperator" else QuantFormat.QDQ,
        activation_type=QuantType.QInt8 if kind.endswith("s8s8") else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=kind == "qdq u8s8",
    )


def _int4(model: onnx.ModelProto, kind: str, target: Path) -> None:
    from onnxruntime.quantization import QuantFormat
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    if kind.endswith("qdq"):
        model = onnx.version_converter.convert_version(model, 21)
    form = QuantFormat.QDQ if kind.endswith("qdq") else QuantFormat.QOperator
    maker = MatMulNBitsQuantizer(
        model, block_size=32, accuracy_level=4 if kind.endswith("4") else 0, quant_format=form
    )
    maker.process()
    maker.model.save_model_to_file(str(target))


def _nncf(model: onnx.ModelProto, kind: str, shape: tuple[int, ...], target: Path) -> None:
    """By OpenVINO's own quantiser."""
    import nncf

    if kind.endswith("int8"):
        made = nncf.quantize(model, nncf.Dataset(list(samples(shape))), subset_size=4)
    else:
        newer = onnx.version_converter.convert_version(model, 21)
        made = nncf.compress_weights(
            newer, mode=nncf.CompressWeightsMode.INT4_SYM, group_size=32, all_layers=True
        )
    onnx.save(made, str(target))
