"""The state of one conversion, and what several operators share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hwprof.convert.litert.emitter import Emitter, Order, UnsupportedError, plain
from hwprof.convert.litert.graph import Graph, Node

NO_ACTIVATION = "ActivationFunctionType.NONE"
# Ranges that LiteRT clamps to without an operator of its own.
RANGES = {
    (0.0, np.inf): "ActivationFunctionType.RELU",
    (0.0, 6.0): "ActivationFunctionType.RELU6",
    (-1.0, 1.0): "ActivationFunctionType.RELU_N1_TO_1",
}


@dataclass(slots=True)
class Tail:
    """What follows a node and is computed with it: a factor and a summand per channel, a clamp."""

    output: str
    scale: np.ndarray
    shift: np.ndarray
    activation: str = NO_ACTIVATION


@dataclass(slots=True)
class Conversion:
    """One graph being written."""

    emit: Emitter
    graph: Graph
    absorbed: dict[int, str] = field(default_factory=dict)
    """Nodes computed by another's operator, by their index."""

    def tail(self, node: Node, channels: int, axis: int) -> Tail:
        """Absorb what follows `node` and can be folded into its weights or its operator.

        That is batch normalisation, factors and summands per channel (dimension `axis` of its
        output), each read by nothing else, and then a clamp.
        """
        found = Tail(node.outputs[0], np.ones(channels), np.zeros(channels))
        while (reader := self.graph.sole_reader(found.output)) is not None:
            affine = self._affine(reader, found.output, channels, axis)
            if affine is None:
                break
            found.scale = found.scale * affine[0]
            found.shift = found.shift * affine[0] + affine[1]
            self._absorb(reader, found.output)
            found.output = reader.outputs[0]
        self.clamp(found)
        return found

    def clamp(self, tail: Tail) -> None:
        """Absorb the clamp that follows, if LiteRT has it as a part of other operators."""
        reader = self.graph.sole_reader(tail.output)
        if reader is None or self.emit.dtype(tail.output) != "float32":
            return
        bounds = self.bounds(reader)
        if bounds in RANGES:
            self._absorb(reader, tail.output)
            tail.output = reader.outputs[0]
            tail.activation = RANGES[bounds]
            if bounds[0] >= 0:
                self.emit.non_negative.add(tail.output)

    def bounds(self, node: Node) -> tuple[float, float] | None:
        """The range that a Relu or a Clip by constants clamps to; None for other nodes."""
        if node.op == "Relu":
            return 0.0, float(np.inf)
        if node.op != "Clip":
            return None
        if node.opset < 11:
            return node.number("min", -np.inf), node.number("max", np.inf)
        ends = []
        for name, default in ((node.input(1), -np.inf), (node.input(2), np.inf)):
            if name and name not in self.emit.constants:
                return None
            ends.append(float(self.emit.constants[name].item()) if name else float(default))
        return ends[0], ends[1]

    def _absorb(self, node: Node, read: str) -> None:
        """Declare the output of a node that changes no shape, and write no operator for it."""
        self.absorbed[node.index] = node.name
        self.emit.declare(node.outputs[0], self.emit.dtype(read), self.emit.shape(read))

    def _affine(
        self, node: Node, read: str, channels: int, axis: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Factor and summand per channel of a node; None where it computes something else."""
        one, zero = np.ones(channels), np.zeros(channels)
        if node.op == "BatchNormalization" and axis == 1:
            return self.normalisation(node)
        if node.op not in ("Mul", "Div", "Add", "Sub") or len(node.inputs) != 2:
            return None
        first = node.inputs[0] == read
        other = self.emit.constants.get(node.inputs[1] if first else node.inputs[0])
        if other is None or other.dtype != np.float32:
            return None
        shape = self.emit.shape(read)
        per_channel = [channels if d == axis else 1 for d in range(len(shape))]
        if other.ndim > len(shape) or (
            other.size != 1 and (1,) * (len(shape) - other.ndim) + other.shape != tuple(per_channel)
        ):
            return None
        value = np.broadcast_to(other.reshape(-1).astype(np.float64), (channels,))
        match node.op, first:
            case "Mul", _:
                return value, zero
            case "Div", True:
                return 1 / value, zero
            case "Add", _:
                return one, value
            case "Sub", True:
                return one, -value
            case "Sub", False:
                return -one, value
        return None

    def normalisation(self, node: Node) -> tuple[np.ndarray, np.ndarray] | None:
        """Factor and summand per channel of a batch normalisation with constant statistics.

        Ioffe and Szegedy, "Batch Normalization", 2015, in the form used for inference.
        """
        parts = [self.emit.constants.get(name) for name in node.inputs[1:5]]
        if node.integer("training_mode", 0) or len(parts) < 4:
            return None
        scale, shift, mean, variance = (None if p is None else p.astype(np.float64) for p in parts)
        if scale is None or shift is None or mean is None or variance is None:
            return None
        factor = scale / np.sqrt(variance + node.number("epsilon", 1e-5))
        return factor, shift - mean * factor

    def order_for(self, names: Sequence[str], rank: int) -> Order:
        """The order in which tensors of one rank are combined with the least moved."""
        votes: dict[Order, int] = {}
        for name in names:
            if name in self.emit.values and len(self.emit.shape(name)) == rank:
                order = self.emit.order(name)
                votes[order] = votes.get(order, 0) + int(np.prod(self.emit.shape(name)))
        return max(votes, key=lambda order: votes[order]) if votes else plain(rank)

    def broadcast(self, names: Sequence[str], rank: int) -> tuple[Order, list[int]]:
        """Operands of an elementwise operator, all in one order: that order and their numbers."""
        order = self.order_for(names, rank)
        short = [n for n in names if len(self.emit.shape(n)) < rank]
        if any(n in self.emit.values and np.prod(self.emit.shape(n)) > 1 for n in short):
            order = plain(rank)
        if order == plain(rank):
            return order, [self.emit.read(name) for name in names]
        numbers = []
        for name in names:
            constant = self.emit.constants.get(name)
            if name not in short:
                numbers.append(self.emit.read(name, order))
            elif constant is None or constant.size == 1:
                numbers.append(self.emit.read(name))
            else:
                shape = (1,) * (rank - constant.ndim) + constant.shape
                numbers.append(self.emit.constant(constant.reshape(shape).transpose(order), name))
        return order, numbers


def axis_of(value: int, rank: int) -> int:
    """An axis counted from the front."""
    return value % rank if rank else 0


def axes_of(
    conversion: Conversion, node: Node, default: Sequence[int], position: int = 1
) -> list[int]:
    """Axes given as an attribute, or since later operator sets as a constant input."""
    if node.input(position):
        found = conversion.emit.constant_of(node.input(position), "axes")
        return [int(axis) for axis in found.reshape(-1)]
    return node.integers("axes", default)


def refuse(condition: bool, reason: str) -> None:
    """Refuse a form of an operator; the reason follows upon its name."""
    if condition:
        raise UnsupportedError(reason)
