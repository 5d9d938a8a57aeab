"""Models that nothing is special about but a layer, a name, an operator set or a weight."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

from tests.models_of_reports.building import (
    FLOAT,
    INT64,
    constant,
    counted_loop,
    graph,
    model,
    op,
    tensor,
    weights,
    whole,
)

OPSETS = range(5, 28)
COMMANDS = "\x1b]0;owned\x07\x1b[2Jrelu"
"""A name that sets the window's title and clears the screen."""


def convolutions(scale: float) -> onnx.ModelProto:
    """Three convolutions; the weights of the second are of this scale, 1e-40 makes them denormal.

    The others are the same whatever `scale` is.
    """
    nodes, constants, shape = [], [], (48, 48, 3, 3)
    for i, each in enumerate((0.05, scale, 0.05)):
        before, after = "x" if i == 0 else f"t{i}", "y" if i == 2 else f"t{i + 1}"
        nodes.append(op("Conv", f"{before} w{i}", after, f"conv{i}", pads=[1] * 4))
        constants.append(weights(f"w{i}", *shape, scale=each))
    shape_of_all = [1, 48, 24, 24]
    ends = [tensor("x", shape_of_all)], [tensor("y", shape_of_all)]
    return model(graph("convolutions", nodes, *ends, constants))


def growing_cache(steps: int = 12, d: int = 32) -> onnx.ModelProto:
    """Generation inside the graph: every step appends a row to a cache."""
    body = counted_loop(
        "step",
        [
            op("MatMul", "s w", "k", "key"),
            op("Concat", "cache k", "cache2", "append", axis=0),
            op("Transpose", "cache2", "turned", "turn", perm=[1, 0]),
            op("MatMul", "s turned", "score", "score"),
            op("Softmax", "score", "p", "soft", axis=-1),
            op("MatMul", "p cache2", "s2", "mix"),
        ],
        ("s", "s2", [1, d]),
    )
    body.input.append(tensor("cache", ["t", d]))
    body.output.append(tensor("cache2", ["t1", d]))
    nodes = [op("Loop", "n yes x empty", "y cache_out", "generate", body=body)]
    constants = [
        weights("w", d, d),
        constant("empty", np.zeros((0, d), np.float32)),
        whole("n", steps),
        constant("yes", np.array(True)),
    ]
    return model(graph("growing", nodes, [tensor("x", [1, d])], [tensor("y", [1, d])], constants))


def segmentation_head(side: int = 448, classes: int = 21) -> onnx.ModelProto:
    """An output far larger than the rest of the model: 4 bytes x classes x side x side."""
    nodes = [op("Conv", "x w", "y", "head")]
    ends = [tensor("x", [1, 3, side, side])], [tensor("y", [1, classes, side, side])]
    return model(graph("head", nodes, *ends, [weights("w", classes, 3, 1, 1)]))


def chain(length: int) -> onnx.ModelProto:
    """Very many small nodes, every other one without a name."""
    kinds = ("Sin", "Cos", "Tanh", "Sigmoid")
    nodes = []
    for i in range(length):
        node = op(kinds[i % 4], "x" if i == 0 else f"t{i}", f"t{i + 1}", f"n{i}")
        if i % 2:
            node.name = ""
        nodes.append(node)
    nodes[-1].output[0] = "y"
    return model(graph("chain", nodes, [tensor("x", [1, 16])], [tensor("y", [1, 16])]))


def layers() -> Mapping[str, onnx.ModelProto]:
    """Layers that tools for pictures trip over, by name."""
    h = 24

    def one(
        node: onnx.NodeProto, shape: list[int], *constants: onnx.TensorProto
    ) -> onnx.ModelProto:
        outputs = [tensor(name, None) for name in node.output if name]
        return model(graph(node.op_type, [node], [tensor("x", shape)], outputs, constants))

    pool = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}
    twice = {"kernel_shape": [2, 2], "strides": [2, 2]}
    unpool = graph(
        "unpool",
        [op("MaxPool", "x", "p i", **twice), op("MaxUnpool", "p i", "y", **twice)],
        [tensor("x", [1, 8, 16, 16])],
        [tensor("y", None)],
    )
    return {
        "conv1d_of_kernel_1": one(
            op("Conv", "x w b", "y", kernel_shape=[1]),
            [1, 1, 40001],
            weights("w", 1, 1, 1),
            weights("b", 1),
        ),
        "conv3d": one(
            op("Conv", "x w", "y", pads=[1] * 6), [1, 3, 6, 16, 16], weights("w", 8, 3, 3, 3, 3)
        ),
        "conv_of_384_groups": one(
            op("Conv", "x w", "y", group=384, pads=[4, 4]), [1, 384, 80], weights("w", 384, 1, 9)
        ),
        "transposed_conv": one(
            op("ConvTranspose", "x w", "y", strides=[2, 2], output_padding=[1, 1], pads=[1] * 4),
            [1, 8, 12, 12],
            weights("w", 8, 4, 3, 3),
        ),
        "max_pool_rounding_up": one(op("MaxPool", "x", "y", **pool), [1, 8, 16, 16]),
        "average_pool_rounding_up": one(
            op("AveragePool", "x", "y", count_include_pad=1, pads=[1] * 4, **pool), [1, 8, 16, 16]
        ),
        "gru_last_state": one(
            op("GRU", "x w r b", "- y", hidden_size=h, linear_before_reset=1),
            [16, 2, 12],
            weights("w", 1, 3 * h, 12),
            weights("r", 1, 3 * h, h),
            weights("b", 1, 6 * h),
        ),
        "lstm_both_ways": one(
            op("LSTM", "x w r b", "y h c", hidden_size=h, direction="bidirectional"),
            [16, 2, 12],
            weights("w", 2, 4 * h, 12),
            weights("r", 2, 4 * h, h),
            weights("b", 2, 8 * h),
        ),
        "unpooling": model(unpool),
        "einsum": one(op("Einsum", "x x", "y", equation="bij,bkj->bik"), [2, 12, 24]),
    }


def of_opset(version: int) -> onnx.ModelProto:
    """A convolution and a pool, as operator set `version` writes them."""
    nodes = [
        op("Conv", "x w", "c", "conv", kernel_shape=[3, 3]),
        op("GlobalAveragePool", "c", "y", "pool"),
    ]
    inputs = [tensor("x", [1, 3, 20, 20])]
    if version < 9:  # before IR version 4 every weight had to be an input as well
        inputs.append(tensor("w", [8, 3, 3, 3]))
    outputs = [tensor("y", [1, 8, 1, 1])]
    constants = [weights("w", 8, 3, 3, 3)]
    return model(graph(f"opset_{version}", nodes, inputs, outputs, constants), version)


def oddly_named() -> onnx.ModelProto:
    """Names with line breaks, quotes, commas, markup, other scripts, and nodes without one."""
    names = ["a\nb", "tab\t", 'quo"te', "com,ma;semi", COMMANDS, "层/卷积_🚀", "", "same", "same_2"]
    names += [" lead", "x" * 2000, "=1+1", "[bold]b[/bold]", "a/b/c::d"]
    nodes, before = [], "in put:0"
    for i, name in enumerate(names):
        after = "out,put" if i == len(names) - 1 else f"t{i}\n"
        node = op("MatMul" if i % 2 else "Tanh", "a", "b", name)
        del node.input[:], node.output[:]
        node.input.extend([before, "w"] if i % 2 else [before])
        node.output.append(after)
        node.name = name
        nodes.append(node)
        before = after
    ends = [tensor("in put:0", ["batch size", 48])], [tensor("out,put", ["batch size", 48])]
    return model(graph('naïve\n"graph"', nodes, *ends, [weights("w", 48, 48)]))


def commanding() -> onnx.ModelProto:
    """A node, an input and an output whose names are commands to a terminal."""
    nodes = [op("Relu", "x", "y", COMMANDS)]
    built = model(graph(COMMANDS, nodes, [tensor("x", [1, 8])], [tensor("y", [1, 8])]))
    built.graph.node[0].input[0] = built.graph.input[0].name = "\x1b[31mx"
    return built


def constants_only() -> Mapping[str, onnx.ModelProto]:
    """Graphs in which nothing is left to compute, or nothing comes in."""
    square = [48, 48]
    x, y = tensor("x", square), tensor("y", square)
    return {
        "all_constant": model(
            graph("constant", [op("MatMul", "a a", "y")], [], [y], [weights("a", *square)])
        ),
        "identity_only": model(graph("identity", [op("Identity", "x", "y")], [x], [y])),
        "input_is_output": model(graph("through", [op("Relu", "x", "y")], [x], [y, x])),
        "no_input": model(
            graph(
                "noise",
                [op("RandomNormal", "", "z", shape=[1, 96, 48]), op("Relu", "z", "y")],
                [],
                [tensor("y", [1, 96, 48])],
            )
        ),
    }


def beyond_one_message(folder: Path, rows: int = 300_000, d: int = 2048) -> Path:
    """A model in `folder` whose 2.5 GB of weights lie beside it, in a file without contents.

    They are zeros that take no room on the disk.
    """
    size = rows * d * 4
    with (folder / "weights.data").open("wb") as stream:
        stream.truncate(size)
    table = onnx.TensorProto(
        name="table", data_type=FLOAT, dims=[rows, d], data_location=onnx.TensorProto.EXTERNAL
    )
    for key, value in (("location", "weights.data"), ("offset", "0"), ("length", str(size))):
        table.external_data.add(key=key, value=value)
    nodes = [op("Gather", "table ids", "e", "embed"), op("Relu", "e", "y", "relu")]
    ends = [tensor("ids", [1, 96], INT64)], [tensor("y", [1, 96, d])]
    path = folder / "beyond.onnx"
    onnx.save(model(graph("beyond", nodes, *ends, [table])), str(path))
    return path
