"""Matrix products."""

from __future__ import annotations

import numpy as np

from hwprof.convert.litert.conversion import Conversion, refuse
from hwprof.convert.litert.graph import Node


def gemm(conversion: Conversion, node: Node) -> None:
    """FULLY_CONNECTED, the summand folded in; BATCH_MATMUL where both factors are computed."""
    emit = conversion.emit
    first, second = node.inputs[0], node.inputs[1]
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    columns = emit.shape(node.outputs[0])[1]
    summand = emit.constants.get(node.input(2)) if node.input(2) else np.zeros(1, np.float32)
    plain_sum = summand is not None and summand.size in (1, columns) and summand.ndim <= 2
    refuse(not plain_sum or (summand is not None and summand.shape[:-1] not in ((), (1,))),
           "adds other than one constant per column")  # fmt: skip
    assert summand is not None  # refused above
    factor = np.broadcast_to(beta * summand.reshape(-1).astype(np.float64), (columns,))
    number = _turned(conversion, first) if node.integer("transA", 0) else emit.read(first)
    if second in emit.constants:
        weights = emit.constants[second]
        weights = weights if node.integer("transB", 0) else weights.T
        weights = weights if alpha == 1.0 else weights * np.float64(alpha)
        _fully_connected(conversion, node, number, weights, factor)
        return
    refuse(alpha != 1.0 or bool(factor.any()), "scales or shifts a product of computed factors")
    adjoint = bool(node.integer("transB", 0))
    written = emit.place(node.outputs[0])
    emit.operator("BATCH_MATMUL", [number, emit.read(second)], [written], adjX=False, adjY=adjoint)


def matmul(conversion: Conversion, node: Node) -> None:
    """FULLY_CONNECTED where the second factor is a constant matrix, else BATCH_MATMUL."""
    emit = conversion.emit
    first, second = node.inputs[0], node.inputs[1]
    ranks = len(emit.shape(first)), len(emit.shape(second))
    refuse(min(ranks) < 2, "multiplies by a vector")
    if second in emit.constants and ranks[1] == 2 and first in emit.values:
        weights = emit.constants[second].T
        _fully_connected(conversion, node, emit.read(first), weights, np.zeros(len(weights)))
        return
    written = emit.place(node.outputs[0])
    # A factor that only had its last two dimensions swapped is taken as it lies.
    number, adjoint = emit.read(first), False
    rank = ranks[1]
    swapped = (*range(rank - 2), rank - 1, rank - 2)
    if second in emit.values and emit.order(second) == swapped:
        other, adjoint = emit.read(second, swapped), True
        conversion.emit.values[second].waiting = ()
    else:
        other = emit.read(second)
    emit.operator("BATCH_MATMUL", [number, other], [written], adjX=False, adjY=adjoint)


def _fully_connected(
    conversion: Conversion, node: Node, number: int, weights: np.ndarray, bias: np.ndarray
) -> None:
    """`weights` (columns, rows) and `bias` (columns), what follows not yet folded in."""
    emit = conversion.emit
    refuse(emit.dtype(node.outputs[0]) != "float32", f"computes in {emit.dtype(node.outputs[0])}")
    rank = len(emit.shape(node.outputs[0]))
    tail = conversion.tail(node, len(weights), rank - 1)
    if np.any(tail.scale != 1):
        weights = weights * tail.scale[:, np.newaxis]
    filters = weights.astype(np.float32, copy=False)
    summand = (bias * tail.scale + tail.shift).astype(np.float32)
    operands = [number, emit.constant(filters, node.inputs[1])]
    if summand.any():
        operands.append(emit.constant(summand, f"{node.name}.bias"))
    emit.operator(
        "FULLY_CONNECTED",
        operands,
        [emit.place(tail.output)],
        fusedActivationFunction=tail.activation,
        keepNumDims=rank != 2,
    )


def _turned(conversion: Conversion, name: str) -> int:
    """A computed matrix with rows and columns swapped."""
    return conversion.emit.read(name, (1, 0))
