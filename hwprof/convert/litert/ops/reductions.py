"""Sums, means and extremes over dimensions, and what is made of them."""

from __future__ import annotations

import numpy as np

from hwprof.convert.litert.conversion import Conversion, axes_of, axis_of, refuse
from hwprof.convert.litert.emitter import Order, channels_last, plain
from hwprof.convert.litert.graph import Node

REDUCTIONS = {
    "ReduceMax": "REDUCE_MAX",
    "ReduceMean": "MEAN",
    "ReduceMin": "REDUCE_MIN",
    "ReduceProd": "REDUCE_PROD",
    "ReduceSum": "SUM",
}


def reduction(conversion: Conversion, node: Node) -> None:
    """A reduction in the order its input lies in, where what remains is in ONNX's."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    rank = len(emit.shape(name))
    axes = [axis_of(a, rank) for a in axes_of(conversion, node, [])]
    refuse(not axes and bool(node.integer("noop_with_empty_axes", 0)), "reduces nothing")
    axes = axes or list(range(rank))
    keeps = bool(node.integer("keepdims", 1))
    order = conversion.order_for([name], rank)
    remaining = [d for d in order if d not in axes]
    if not keeps and remaining != sorted(remaining):
        order = plain(rank)
    places = emit.integers(sorted(order.index(a) for a in axes), "axes")
    written = emit.place(output, order if keeps else plain(len(emit.shape(output))))
    emit.operator(REDUCTIONS[node.op], [emit.read(name, order), places], [written], keepDims=keeps)


def arg_extreme(conversion: Conversion, node: Node) -> None:
    """ARG_MAX or ARG_MIN, and the dimension put back where it is kept."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    refuse(bool(node.integer("select_last_index", 0)), "takes the last of equal elements")
    shape = emit.shape(name)
    axis = axis_of(node.integer("axis", 0), len(shape))
    code = "ARG_MAX" if node.op == "ArgMax" else "ARG_MIN"
    place = emit.integers([axis], "axis")
    written = emit.place(output)
    keeps = bool(node.integer("keepdims", 1))
    target = written
    if keeps:
        target = emit.scratch(output, "int64", [s for d, s in enumerate(shape) if d != axis])
    emit.operator(code, [emit.read(name), place], [target], outputType="TensorType.INT64")
    if keeps:
        new = np.array(emit.shape(output), np.int32)
        emit.step("RESHAPE", [target], [written], newShape=new)


def softmax(conversion: Conversion, node: Node) -> None:
    """SOFTMAX, which is over the last dimension."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    shape = emit.shape(name)
    rank = len(shape)
    axis = axis_of(node.integer("axis", -1 if node.opset >= 13 else 1), rank)
    code = "SOFTMAX" if node.op == "Softmax" else "LOG_SOFTMAX"
    options = {"beta": 1.0} if code == "SOFTMAX" else {}
    order = conversion.order_for([name], rank)
    # Before operator set 13 all dimensions from the axis on were taken together.
    alone = node.opset >= 13 or all(size == 1 for size in shape[axis + 1 :])
    if alone:
        if order[-1] != axis:
            order = (*(d for d in range(rank) if d != axis), axis)
        emit.operator(code, [emit.read(name, order)], [emit.place(output, order)], **options)
        return
    flat = (int(np.prod(shape[:axis])), int(np.prod(shape[axis:])))
    lines, summed = emit.scratch(output, "float32", flat), emit.scratch(output, "float32", flat)
    number = emit.read_flat(name)
    emit.step("RESHAPE", [number], [lines], newShape=np.array(flat, np.int32))
    emit.operator(code, [lines], [summed], **options)
    written, new = emit.place(output), np.array(shape, np.int32)
    emit.step("RESHAPE", [summed], [written], newShape=new)


def layer_normalisation(conversion: Conversion, node: Node) -> None:
    """Mean and variance over the last dimensions, written out: LiteRT has no such operator.

    Ba, Kiros and Hinton, "Layer Normalization", 2016.
    """
    emit = conversion.emit
    refuse(any(node.outputs[1:]), "also gives mean and deviation")
    rank = len(emit.shape(node.inputs[0]))
    axis = axis_of(node.integer("axis", -1), rank)
    scale = emit.constant_of(node.inputs[1], "a scale")
    shift = emit.constant_of(node.inputs[2], "a shift") if node.input(2) else None
    axes = list(range(axis, rank))
    _normalise(conversion, node, plain(rank), axes, scale, shift)


def instance_normalisation(conversion: Conversion, node: Node) -> None:
    """Mean and variance over each channel of each image, written out."""
    emit = conversion.emit
    rank = len(emit.shape(node.inputs[0]))
    order = channels_last(rank)
    scale = emit.constant_of(node.inputs[1], "a scale")
    shift = emit.constant_of(node.inputs[2], "a shift")
    _normalise(conversion, node, order, list(range(1, rank - 1)), scale, shift)


def _normalise(
    conversion: Conversion,
    node: Node,
    order: Order,
    axes: list[int],
    scale: np.ndarray,
    shift: np.ndarray | None,
) -> None:
    """(x - mean) / sqrt(variance + epsilon) * scale + shift; `axes` are places in `order`."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    shape = [emit.shape(name)[d] for d in order]
    small = [1 if d in axes else size for d, size in enumerate(shape)]
    places = emit.integers(axes, "axes")

    def step(code: str, operands: list[int], like: list[int], **options: object) -> int:
        made = emit.scratch(output, "float32", like)
        emit.step(code, operands, [made], **options)
        return made

    number = emit.read(name, order)
    mean = step("MEAN", [number, places], small, keepDims=True)
    centred = step("SUB", [number, mean], shape)
    squares = step("SQUARE", [centred], shape)
    variance = step("MEAN", [squares, places], small, keepDims=True)
    epsilon = emit.constant(np.array(node.number("epsilon", 1e-5), np.float32), "epsilon")
    inverse = step("RSQRT", [step("ADD", [variance, epsilon], small)], small)
    normal = step("MUL", [centred, inverse], shape)
    written = emit.place(output, order)
    factor = emit.constant(scale, node.inputs[1])
    if shift is None:
        emit.operator("MUL", [normal, factor], [written])
        return
    scaled = step("MUL", [normal, factor], shape)
    emit.operator("ADD", [scaled, emit.constant(shift, node.inputs[2])], [written])
