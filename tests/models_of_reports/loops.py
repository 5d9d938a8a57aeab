"""Loops, scans and functions: what is profiled, how often it ran, and which node it belongs to."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from tests.models_of_reports.building import (
    constant,
    counted_loop,
    graph,
    model,
    op,
    tensor,
    weights,
    whole,
)

LENGTHS = {"grow": [1, 2, 3, 4], "same": [2, 2, 2, 2], "empty": [0, 2, 0, 2], "last": [2, 2, 2, 0]}
LAYERS = 3
SUM_STEPS, SUM_WIDTH = 80, 64


def two_gathers(lengths: str) -> onnx.ModelProto:
    """A bag of rows per step: two Gathers in one body that read different tensors.

    `lengths` names how many rows the steps take.
    """
    body = counted_loop(
        "bag",
        [
            op("Gather", "lens i", "n", "length"),
            op("Unsqueeze", "n axis", "end", "end"),
            op("Slice", "ids zero end axis", "bag", "bag"),
            op("Gather", "table bag", "rows", "lookup"),
            op("ReduceSum", "rows axis", "o", "sum", keepdims=0),
        ],
        None,
        [tensor("o", [8])],
    )
    constants = [
        weights("table", 10, 8),
        whole("lens", LENGTHS[lengths]),
        whole("count", 4),
        whole("axis", [0]),
        whole("zero", [0]),
        whole("ids", [3, 1, 4, 1]),
    ]
    nodes = [op("Loop", "count -", "bags", "loop", body=body), op("Mul", "bags x", "y", "scale")]
    ends = [tensor("x", [4, 8])], [tensor("y", [4, 8])]
    return model(graph("two_gathers", nodes, *ends, constants))


def long_loop(steps: int = 400, nodes: int = 50) -> onnx.ModelProto:
    """A small graph that runs very many nodes."""
    inner = [
        op(("Sin", "Cos")[i % 2], "s" if i == 0 else f"t{i}", f"t{i + 1}", f"n{i}")
        for i in range(nodes)
    ]
    inner[-1].output[0] = "s2"
    body = counted_loop("body", inner, ("s", "s2", [1, 16]))
    outer = [op("Loop", "n yes x", "y", "generate", body=body)]
    ends = [tensor("x", [1, 16])], [tensor("y", [1, 16])]
    constants = [whole("n", steps), constant("yes", np.array(True))]
    return model(graph("long", outer, *ends, constants))


def recurrent_loop(steps: int = SUM_STEPS, d: int = SUM_WIDTH) -> onnx.ModelProto:
    """A hand-written recurrent cell in a Loop: little work in each of many steps."""
    body = counted_loop(
        "cell",
        [
            op("MatMul", "s w", "m", "product"),
            op("Add", "m x", "a", "add"),
            op("Tanh", "a", "s2", "tanh"),
        ],
        ("s", "s2", [1, d]),
    )
    nodes = [op("Loop", "n yes x", "y", "steps", body=body)]
    ends = [tensor("x", [1, d])], [tensor("y", [1, d])]
    constants = [weights("w", d, d), whole("n", steps), constant("yes", np.array(True))]
    return model(graph("recurrent", nodes, *ends, constants))


def recurrent_scan(steps: int = SUM_STEPS, d: int = SUM_WIDTH) -> onnx.ModelProto:
    """The same cell in a Scan."""
    body = graph(
        "cell",
        [
            op("MatMul", "s w", "m", "product"),
            op("Add", "m e", "a", "add"),
            op("Tanh", "a", "s2", "tanh"),
            op("Identity", "s2", "o", "emit"),
        ],
        [tensor("s", [1, d]), tensor("e", [1, d])],
        [tensor("s2", [1, d]), tensor("o", [1, d])],
    )
    nodes = [op("Scan", "s0 x", "last y", "scan", body=body, num_scan_inputs=1)]
    inputs = [tensor("s0", [1, d]), tensor("x", [steps, 1, d])]
    outputs = [tensor("last", [1, d]), tensor("y", [steps, 1, d])]
    return model(graph("scan", nodes, inputs, outputs, [weights("w", d, d)]))


def layers_as_functions() -> onnx.ModelProto:
    """Every layer is a call of a function in the file, which calls another."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    act = helper.make_function(
        "own",
        "Act",
        ["x"],
        ["y"],
        [
            op("Constant", "", "c", "factor", value_float=1.702),
            op("Mul", "x c", "a", "scale"),
            op("Sigmoid", "a", "s", "gate"),
            op("Mul", "x s", "y", "out"),
        ],
        opsets[:1],
    )
    layer = helper.make_function(
        "own",
        "Layer",
        ["x", "w"],
        ["y"],
        [
            op("MatMul", "x w", "m", "project"),
            op("Act", "m", "g", "act", domain="own"),
            op("Add", "x g", "y", "residual"),
        ],
        opsets,
    )
    nodes = [
        op(
            "Layer",
            f"{'x' if i == 0 else f'h{i}'} w{i}",
            "y" if i == LAYERS - 1 else f"h{i + 1}",
            f"layer{i}",
            domain="own",
        )
        for i in range(LAYERS)
    ]
    ends = [tensor("x", [48, 160])], [tensor("y", [48, 160])]
    constants = [weights(f"w{i}", 160, 160, scale=0.05) for i in range(LAYERS)]
    return model(graph("functions", nodes, *ends, constants), functions=[act, layer], own=1)
