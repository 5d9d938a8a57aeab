"""ONNX models in few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
Shape = Sequence[int | str | None] | None


def op(kind: str, inputs: str, outputs: str, name: str = "", **attributes: Any) -> onnx.NodeProto:
    """A node; tensor names are separated by blanks, and `-` is one that is left out."""
    listed = [["" if n == "-" else n for n in names.split()] for names in (inputs, outputs)]
    return helper.make_node(kind, *listed, name=name or f"{kind}_{outputs}", **attributes)


def tensor(name: str, shape: Shape, kind: int = FLOAT) -> onnx.ValueInfoProto:
    """A graph's input or output; a shape of None says nothing, not even the rank."""
    return helper.make_tensor_value_info(name, kind, shape)


def weights(name: str, *shape: int, scale: float = 0.1) -> onnx.TensorProto:
    """Normally distributed floats of one seed."""
    drawn = np.random.default_rng(0).standard_normal(shape) * scale
    return numpy_helper.from_array(drawn.astype(np.float32), name)


def whole(name: str, value: Any) -> onnx.TensorProto:
    """Constant int64 numbers, or one."""
    return numpy_helper.from_array(np.array(value, np.int64), name)


def constant(name: str, value: Any) -> onnx.TensorProto:
    """A constant of whatever type NumPy gives `value`."""
    return numpy_helper.from_array(np.asarray(value), name)


def graph(
    name: str,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Sequence[onnx.TensorProto] = (),
) -> onnx.GraphProto:
    """A graph, or the body of a loop or branch."""
    return helper.make_graph(list(nodes), name, list(inputs), list(outputs), list(constants))


def model(
    whole_graph: onnx.GraphProto,
    opset: int = 17,
    functions: Sequence[onnx.FunctionProto] = (),
    **domains: int,
) -> onnx.ModelProto:
    """A model of one graph; `domains` are operator sets beside ONNX's own, `_` for a dot."""
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(d.replace("_", "."), v) for d, v in domains.items()]
    version = 3 if opset < 9 else 13 if opset > 24 else 10
    return helper.make_model(
        whole_graph, opset_imports=opsets, ir_version=version, functions=list(functions)
    )


def counted_loop(
    name: str,
    body: Sequence[onnx.NodeProto],
    state: tuple[str, str, Sequence[int]] | None,
    scanned: Sequence[onnx.ValueInfoProto] = (),
) -> onnx.GraphProto:
    """The body of a Loop that always goes on: `i` counts, `state` is (before, after, shape)."""
    carried = [] if state is None else [tensor(state[0], state[2])]
    results = [] if state is None else [tensor(state[1], state[2])]
    return graph(
        name,
        [*body, op("Identity", "go", "go_on", f"{name}_on")],
        [tensor("i", [], INT64), tensor("go", [], BOOL), *carried],
        [tensor("go_on", [], BOOL), *results, *scanned],
    )
