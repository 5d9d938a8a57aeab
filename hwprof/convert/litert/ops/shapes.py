"""Operators that move elements without computing."""

from __future__ import annotations

import numpy as np

from hwprof.convert.litert.conversion import Conversion, axes_of, axis_of, refuse
from hwprof.convert.litert.emitter import Order, channels_last, plain
from hwprof.convert.litert.graph import Node


def handed_on(conversion: Conversion, node: Node) -> None:
    """Nothing: Identity, and Dropout as it is used for inference."""
    refuse(any(node.outputs[1:]), "gives a mask")
    values = conversion.emit.values
    values[node.outputs[0]] = values[node.inputs[0]]
    if node.inputs[0] in conversion.emit.non_negative:
        conversion.emit.non_negative.add(node.outputs[0])


def transpose(conversion: Conversion, node: Node) -> None:
    """Nothing yet: the dimensions are renamed, and moved when an operator needs them moved."""
    emit = conversion.emit
    value = emit.values[node.inputs[0]]
    if not value.places:
        emit.read(node.inputs[0], emit.order(node.inputs[0]))
    rank = len(value.shape)
    permutation = node.integers("perm", list(range(rank))[::-1])
    renamed = emit.values[node.outputs[0]]
    for order, number in value.places.items():
        renamed.places[tuple(permutation.index(d) for d in order)] = number
    renamed.waiting = (*value.waiting, node.name)


def reshape(conversion: Conversion, node: Node) -> None:
    """RESHAPE, with the channels left last where only they are split or merged."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    old, new = emit.shape(name), emit.shape(output)
    kept = _channel_reshape(emit.order(name), old, new)
    if kept is None:
        number, order = emit.read_flat(name), plain(len(new))
    else:
        number, order = emit.read(name, kept[0]), kept[1]
    shape = np.array([new[d] for d in order], np.int32)
    emit.operator("RESHAPE", [number], [emit.place(output, order)], newShape=shape)
    if name in emit.non_negative:
        emit.non_negative.add(output)


def _channel_reshape(
    order: Order, old: tuple[int, ...], new: tuple[int, ...]
) -> tuple[Order, Order] | None:
    """Orders to read and write in when a reshape touches the channels of an image alone.

    That is a shuffle's (n, c, h, w) -> (n, g, c/g, h, w) and back, for images whose height and
    width do not lie last.
    """
    tail = old[-2:]
    if min(len(old), len(new)) != 4 or len(old) == len(new) or tail != new[-2:]:
        return None
    if old[0] != new[0] or old[-2:] == (1, 1) or order.index(len(old) - 1) == len(old) - 1:
        return None

    def last(rank: int) -> Order:
        return (0, rank - 2, rank - 1, *range(1, rank - 2))

    return last(len(old)), last(len(new))


def concat(conversion: Conversion, node: Node) -> None:
    """CONCATENATION in the order most of the operands lie in."""
    emit = conversion.emit
    output = node.outputs[0]
    rank = len(emit.shape(output))
    order = conversion.order_for(node.inputs, rank)
    numbers = [emit.read(name, order) for name in node.inputs]
    axis = order.index(axis_of(node.integer("axis", 0), rank))
    emit.operator("CONCATENATION", numbers, [emit.place(output, order)], axis=axis)
    if all(name in emit.non_negative for name in node.inputs):
        emit.non_negative.add(output)


def split(conversion: Conversion, node: Node) -> None:
    """SPLIT into equal parts, which XNNPACK computes too; SPLIT_V into others."""
    emit = conversion.emit
    name = node.inputs[0]
    rank = len(emit.shape(name))
    order = conversion.order_for([name], rank)
    axis = axis_of(node.integer("axis", 0), rank)
    refuse(not all(node.outputs), "has a part that nothing reads")
    sizes = [emit.shape(output)[axis] for output in node.outputs]
    place = emit.constant(np.array(order.index(axis), np.int32), "axis")
    number = emit.read(name, order)
    written = [emit.place(output, order) for output in node.outputs]
    if len(set(sizes)) == 1:
        emit.operator("SPLIT", [place, number], written, numSplits=len(sizes))
    else:
        parts = emit.integers(sizes, "sizes")
        emit.operator("SPLIT_V", [number, parts, place], written, numSplits=len(sizes))


def slice_(conversion: Conversion, node: Node) -> None:
    """STRIDED_SLICE, with the bounds worked out."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    shape = emit.shape(name)
    rank = len(shape)
    if node.opset < 10:
        starts, ends = node.integers("starts", []), node.integers("ends", [])
        axes, steps = node.integers("axes", range(len(starts))), [1] * len(starts)
    else:
        starts, ends = (
            [int(v) for v in emit.constant_of(node.input(i), "bounds").reshape(-1)] for i in (1, 2)
        )
        axes, steps = list(range(len(starts))), [1] * len(starts)
        if node.input(3):
            axes = axes_of(conversion, node, [], 3)
        if node.input(4):
            steps = [int(v) for v in emit.constant_of(node.input(4), "steps").reshape(-1)]
    begin, end, stride = [0] * rank, list(shape), [1] * rank
    to_the_front = set()
    for axis, low, high, step in zip(axes, starts, ends, steps, strict=True):
        d = axis_of(axis, rank)
        begin[d], end[d], stride[d] = slice(low, high, step).indices(shape[d])
        if end[d] < 0:  # backwards past the first element, which only the mask can say
            to_the_front.add(d)
    order = conversion.order_for([name], rank)
    emit.operator(
        "STRIDED_SLICE",
        [
            emit.read(name, order),
            emit.integers([begin[d] for d in order], "begin"),
            emit.integers([end[d] for d in order], "end"),
            emit.integers([stride[d] for d in order], "strides"),
        ],
        [emit.place(output, order)],
        endMask=sum(1 << place for place, d in enumerate(order) if d in to_the_front),
    )


def pad(conversion: Conversion, node: Node) -> None:
    """PAD, PADV2 or MIRROR_PAD."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    rank = len(emit.shape(name))
    mode = node.text("mode", "constant")
    refuse(mode not in ("constant", "reflect"), f"pads in mode {mode}")
    value = node.number("value", 0.0)
    if node.opset < 11:
        given = node.integers("pads", node.integers("paddings", []))
    else:
        given = [int(v) for v in emit.constant_of(node.input(1), "pads")]
        if node.input(2):
            value = float(emit.constant_of(node.input(2), "a value").item())
    axes = axes_of(conversion, node, range(rank), 3)
    amounts = np.zeros((rank, 2), np.int32)
    for place, axis in enumerate(axes):
        amounts[axis_of(axis, rank)] = given[place], given[place + len(axes)]
    refuse(bool((amounts < 0).any()), "crops")
    order = conversion.order_for([name], rank)
    operands = [emit.read(name, order), emit.constant(amounts[list(order)], "pads")]
    written = emit.place(output, order)
    if mode == "reflect":
        emit.operator("MIRROR_PAD", operands, [written], mode="MirrorPadMode.REFLECT")
    elif value:
        operands.append(emit.constant(np.array([value], emit.dtype(name)), "filler"))
        emit.operator("PADV2", operands, [written])
    else:
        emit.operator("PAD", operands, [written])


def gather(conversion: Conversion, node: Node) -> None:
    """GATHER. Indices counted from the end are turned round where they are constant."""
    emit = conversion.emit
    name, indices = node.inputs[0], node.inputs[1]
    rank = len(emit.shape(name))
    axis = axis_of(node.integer("axis", 0), rank)
    places = emit.read(indices) if indices in emit.values else 0
    if indices in emit.constants:
        size = emit.shape(name)[axis]
        places = emit.constant((emit.constants[indices] % size).astype(np.int32), indices)
    written = emit.place(node.outputs[0])
    emit.operator("GATHER", [emit.read(name), places], [written], axis=axis, batchDims=0)


def expand(conversion: Conversion, node: Node) -> None:
    """BROADCAST_TO."""
    emit = conversion.emit
    shape = emit.integers(emit.shape(node.outputs[0]), "shape")
    written = emit.place(node.outputs[0])
    emit.operator("BROADCAST_TO", [emit.read(node.inputs[0]), shape], [written])


def tile(conversion: Conversion, node: Node) -> None:
    """TILE."""
    emit = conversion.emit
    repeats = emit.constant_of(node.inputs[1], "repeats").astype(np.int32)
    number = emit.constant(repeats, "repeats")
    written = emit.place(node.outputs[0])
    emit.operator("TILE", [emit.read(node.inputs[0]), number], [written])


def depth_to_space(conversion: Conversion, node: Node) -> None:
    """DEPTH_TO_SPACE, which takes the block before the channels, as mode DCR does."""
    refuse(node.text("mode", "DCR") != "DCR", "takes the channels before the block (mode CRD)")
    _blocks(conversion, node, "DEPTH_TO_SPACE")


def space_to_depth(conversion: Conversion, node: Node) -> None:
    """SPACE_TO_DEPTH."""
    _blocks(conversion, node, "SPACE_TO_DEPTH")


def _blocks(conversion: Conversion, node: Node, code: str) -> None:
    emit = conversion.emit
    order = channels_last(4)
    number = emit.read(node.inputs[0], order)
    written = emit.place(node.outputs[0], order)
    emit.operator(code, [number], [written], blockSize=node.integer("blocksize", 1))
