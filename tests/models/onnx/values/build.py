"""Small models of which one input decides something, and what the rules say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

from hwprof.models.onnx.file import declared_inputs
from hwprof.models.onnx.values import choose_values
from hwprof.models.shapes import decide_shapes

node = helper.make_node
info = helper.make_tensor_value_info


def weights(name: str, *shape: int) -> onnx.TensorProto:
    rng = np.random.default_rng(0)
    return numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32) * 0.1, name)


def whole(name: str, value: object) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, np.int64), name)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Sequence[onnx.TensorProto] = (),
    functions: Sequence[onnx.FunctionProto] = (),
    opset: int = 17,
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    domains = [helper.make_opsetid("", opset)]
    domains += [helper.make_opsetid(name, 1) for name in {f.domain for f in functions}]
    return helper.make_model(graph, opset_imports=domains, ir_version=9, functions=functions)


def chosen(
    proto: onnx.ModelProto,
    shapes: Mapping[str, Sequence[int]] | None = None,
    given: Sequence[str] = (),
) -> dict[str, tuple[str, str]]:
    """(text, what it decides) by input."""
    specs = decide_shapes(declared_inputs(proto), shapes or {}, None, "m")
    return {each.name: (each.text, each.decides) for each in choose_values(proto, specs, given)}


def embedded(*extra: onnx.NodeProto, rows: int = 1000, index: str = "ids") -> onnx.ModelProto:
    """ids [2,8] -> `extra` -> a table of `rows`, read at `index` -> y."""
    return model(
        [*extra, node("Gather", ["table", index], ["y"], name="look")],
        [info("ids", T.INT64, [2, 8])],
        [info("y", T.FLOAT, None)],
        [weights("table", rows, 4), whole("two", 2), whole("one", 1), whole("offsets", [[0] * 8])],
    )


def branching(
    condition: Sequence[onnx.NodeProto], kind: int, *constants: object
) -> onnx.ModelProto:
    """x and one scalar `sr`: the nodes of `condition` make `go`, which picks a branch."""
    big = helper.make_graph([node("MatMul", ["x", "w"], ["a"])], "big", [], [info("a", 1, [1, 8])])
    small = helper.make_graph([node("Identity", ["x"], ["b"])], "small", [], [info("b", 1, [1, 8])])
    return model(
        [*condition, node("If", ["go"], ["y"], then_branch=big, else_branch=small, name="exit")],
        [info("x", T.FLOAT, [1, 8]), info("sr", kind, [])],
        [info("y", T.FLOAT, [1, 8])],
        [
            weights("w", 8, 8),
            *(
                numpy_helper.from_array(np.asarray(value), f"k{number}")
                for number, value in enumerate(constants)
            ),
        ],
    )


def looping() -> onnx.ModelProto:
    """`steps` says how often a MatMul is repeated."""
    body = helper.make_graph(
        [node("MatMul", ["s", "w"], ["s2"]), node("Identity", ["c"], ["c2"])],
        "body",
        [info("i", T.INT64, []), info("c", T.BOOL, []), info("s", T.FLOAT, [1, 8])],
        [info("c2", T.BOOL, []), info("s2", T.FLOAT, [1, 8])],
    )
    return model(
        [node("Loop", ["steps", "yes", "x"], ["y"], body=body, name="generate")],
        [info("x", T.FLOAT, [1, 8]), info("steps", T.INT64, [])],
        [info("y", T.FLOAT, [1, 8])],
        [weights("w", 8, 8), numpy_helper.from_array(np.array(True), "yes")],
    )


def bagging(last_offset: bool) -> onnx.ModelProto:
    """Bags of rows of a table, each from one offset to the next, summed in a Loop."""
    ends = "offsets" if last_offset else "ends"
    body = helper.make_graph(
        [
            node("Gather", ["offsets", "i"], ["a0"]),
            node("Add", ["i", "one"], ["j"]),
            node("Gather", [ends, "j"], ["a1"]),
            node("Unsqueeze", ["a0", "ax"], ["s"]),
            node("Unsqueeze", ["a1", "ax"], ["e"]),
            node("Slice", ["indices", "s", "e", "ax"], ["ids"], name="bag"),
            node("Gather", ["table", "ids"], ["rows"]),
            node("ReduceSum", ["rows", "ax"], ["o"], keepdims=0),
            node("Identity", ["c"], ["c2"]),
        ],
        "body",
        [info("i", T.INT64, []), info("c", T.BOOL, [])],
        [info("c2", T.BOOL, []), info("o", T.FLOAT, [4])],
    )
    return model(
        [
            node("Shape", ["indices"], ["n"]),
            node("Concat", ["offsets", "n"], ["ends"], axis=0),
            node("Shape", ["offsets"], ["b1"]),
            node("Squeeze", ["b1"], ["b2"]),
            node("Sub", ["b2", "one" if last_offset else "zero"], ["b"]),
            node("Loop", ["b", ""], ["y"], body=body, name="embedding_bag"),
        ],
        [info("indices", T.INT64, ["n"]), info("offsets", T.INT64, ["b"])],
        [info("y", T.FLOAT, None)],
        [weights("table", 50, 4), whole("one", 1), whole("zero", 0), whole("ax", [0])],
    )
