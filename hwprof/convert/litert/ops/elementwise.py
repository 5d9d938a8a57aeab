"""Operators that treat every element alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwprof.convert.litert.conversion import NO_ACTIVATION, RANGES, Conversion, Tail, refuse
from hwprof.convert.litert.graph import Node

Write = Callable[[Conversion, Node], None]
# Those whose options table has a fused clamp.
FUSING = frozenset({"ADD", "SUB", "MUL", "DIV"})
UNARY = {
    "Abs": "ABS", "Ceil": "CEIL", "Cos": "COS", "Elu": "ELU", "Exp": "EXP", "Floor": "FLOOR",
    "HardSwish": "HARD_SWISH", "Log": "LOG", "Neg": "NEG", "Not": "LOGICAL_NOT", "Round": "ROUND",
    "Sigmoid": "LOGISTIC", "Sign": "SIGN", "Sin": "SIN", "Sqrt": "SQRT", "Tanh": "TANH",
}  # fmt: skip
BINARY = {
    "Add": "ADD", "And": "LOGICAL_AND", "Div": "DIV", "Equal": "EQUAL", "Greater": "GREATER",
    "GreaterOrEqual": "GREATER_EQUAL", "Less": "LESS", "LessOrEqual": "LESS_EQUAL", "Mul": "MUL",
    "Or": "LOGICAL_OR", "Sub": "SUB",
}  # fmt: skip
MANY = {"Max": "MAXIMUM", "Min": "MINIMUM", "Sum": "ADD"}
NON_NEGATIVE = frozenset({"Sigmoid", "Exp", "Abs", "Sqrt"})


def unary(conversion: Conversion, node: Node) -> None:
    """One input, one operator."""
    emit = conversion.emit
    refuse(node.op == "Elu" and node.number("alpha", 1.0) != 1.0, "has an alpha other than 1")
    chain(conversion, node, (UNARY[node.op],))
    if node.op in NON_NEGATIVE:
        emit.non_negative.add(node.outputs[0])


def binary(conversion: Conversion, node: Node) -> None:
    """Two operands of broadcastable shapes, and the clamp that follows where LiteRT has it."""
    combine(conversion, node, BINARY[node.op], node.inputs)


def many(conversion: Conversion, node: Node) -> None:
    """Any number of operands, two at a time."""
    combine(conversion, node, MANY[node.op], node.inputs)


def combine(conversion: Conversion, node: Node, code: str, names: tuple[str, ...]) -> None:
    """Fold `names` with one operator of two operands."""
    emit = conversion.emit
    tail = Tail(node.outputs[0], np.ones(0), np.zeros(0))
    if code in FUSING:
        conversion.clamp(tail)
    rank = len(emit.shape(tail.output))
    order, numbers = conversion.broadcast(names, rank)
    if code == "ADD" and all(name in emit.non_negative for name in names):
        emit.non_negative.add(tail.output)
    written = emit.place(tail.output, order)
    total, shape = numbers[0], emit.shape(names[0])
    refuse(len(names) == 1, "has a single operand")
    for position, number in enumerate(numbers[1:], 1):
        shape = np.broadcast_shapes(shape, emit.shape(names[position]))
        last = position == len(numbers) - 1
        full = (1,) * (rank - len(shape)) + shape
        target = written
        if not last:
            target = emit.scratch(
                node.outputs[0], emit.dtype(tail.output), [full[d] for d in order]
            )
        options = {}
        if code in FUSING:
            options["fusedActivationFunction"] = tail.activation if last else NO_ACTIVATION
        write = emit.operator if last else emit.step
        write(code, [total, number], [target], **options)
        total = target


def chain(conversion: Conversion, node: Node, steps: tuple[str | tuple[str, float], ...]) -> None:
    """Operators one after another, each with one more operand where it is `(code, constant)`."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    order = conversion.order_for([name], len(emit.shape(name)))
    number = emit.read(name, order)
    shape = [emit.shape(name)[d] for d in order]
    written = emit.place(output, order)
    for position, step in enumerate(steps):
        last = position == len(steps) - 1
        target = written if last else emit.scratch(output, emit.dtype(name), shape)
        code, *constant = (step,) if isinstance(step, str) else step
        operands = [number]
        operands += [emit.constant(np.array(c, emit.dtype(name)), "scalar") for c in constant]
        (emit.operator if last else emit.step)(str(code), operands, [target])
        number = target


def clamp(conversion: Conversion, node: Node) -> None:
    """RELU and its kin where LiteRT has the range, MAXIMUM and MINIMUM elsewhere."""
    bounds = conversion.bounds(node)
    if bounds is None:
        refuse(True, "has bounds that the model computes as it runs")
        return
    low, high = bounds
    activation = RANGES.get(bounds)
    if activation is not None:
        chain(conversion, node, (activation.partition(".")[2],))
    else:
        steps: list[tuple[str, float]] = []
        if low > -np.inf:
            steps.append(("MAXIMUM", low))
        if high < np.inf:
            steps.append(("MINIMUM", high))
        refuse(not steps, "has no bounds")
        chain(conversion, node, tuple(steps))
    if low >= 0:
        conversion.emit.non_negative.add(node.outputs[0])


def hard_sigmoid(conversion: Conversion, node: Node) -> None:
    """max(0, min(1, alpha x + beta)), with alpha taken out where that saves a step."""
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    # XNNPACK has no RELU_0_TO_1.
    steps: tuple[str | tuple[str, float], ...] = (
        ("MUL", alpha),
        ("ADD", beta),
        "RELU",
        ("MINIMUM", 1.0),
    )
    if abs(alpha * 6 - 1) < 1e-6 and beta == 0.5:
        # LiteRT's own form: relu6(x + 3) / 6.
        steps = (("ADD", 3.0), "RELU6", ("MUL", 1 / 6))
    chain(conversion, node, steps)
    conversion.emit.non_negative.add(node.outputs[0])


def leaky_relu(conversion: Conversion, node: Node) -> None:
    """LEAKY_RELU."""
    emit = conversion.emit
    name = node.inputs[0]
    order = conversion.order_for([name], len(emit.shape(name)))
    written = emit.place(node.outputs[0], order)
    alpha = node.number("alpha", 0.01)
    emit.operator("LEAKY_RELU", [emit.read(name, order)], [written], alpha=alpha)


def prelu(conversion: Conversion, node: Node) -> None:
    """PRELU, whose slopes lack the batch dimension."""
    emit = conversion.emit
    name, rank = node.inputs[0], len(emit.shape(node.inputs[0]))
    slopes = emit.constant_of(node.inputs[1], "slopes")
    refuse(rank < 2 or slopes.ndim > rank, "has an unusual shape")
    slopes = slopes.reshape((1,) * (rank - slopes.ndim) + slopes.shape)
    refuse(slopes.shape[0] != 1, "has slopes per image of the batch")
    order = conversion.order_for([name], rank)
    refuse(order[0] != 0, "has its batch moved")
    number = emit.constant(slopes.transpose(order)[0], node.inputs[1])
    emit.operator("PRELU", [emit.read(name, order), number], [emit.place(node.outputs[0], order)])


def power(conversion: Conversion, node: Node) -> None:
    """SQUARE and SQRT where the exponent is theirs, POW elsewhere."""
    exponent = conversion.emit.constants.get(node.inputs[1])
    value = None if exponent is None or exponent.size != 1 else float(exponent.reshape(-1)[0])
    if value == 2.0:
        chain(conversion, node, ("SQUARE",))
    elif value == 0.5:
        chain(conversion, node, ("SQRT",))
    else:
        combine(conversion, node, "POW", node.inputs)


def reciprocal(conversion: Conversion, node: Node) -> None:
    """1 / x."""
    emit = conversion.emit
    name = node.inputs[0]
    order = conversion.order_for([name], len(emit.shape(name)))
    one = emit.constant(np.ones((), np.float32), "one")
    emit.operator("DIV", [one, emit.read(name, order)], [emit.place(node.outputs[0], order)])


def gelu(conversion: Conversion, node: Node) -> None:
    """GELU, exact or by the hyperbolic tangent."""
    emit = conversion.emit
    name = node.inputs[0]
    order = conversion.order_for([name], len(emit.shape(name)))
    approximate = node.text("approximate", "none") == "tanh"
    written = emit.place(node.outputs[0], order)
    emit.operator("GELU", [emit.read(name, order)], [written], approximate=approximate)


def softplus(conversion: Conversion, node: Node) -> None:
    """log(1 + exp(x))."""
    chain(conversion, node, ("EXP", ("ADD", 1.0), "LOG"))


def cast(conversion: Conversion, node: Node) -> None:
    """CAST."""
    emit = conversion.emit
    name = node.inputs[0]
    order = conversion.order_for([name], len(emit.shape(name)))
    written = emit.place(node.outputs[0], order)
    kinds = {
        "inDataType": f"TensorType.{emit.dtype(name).upper()}",
        "outDataType": f"TensorType.{emit.dtype(node.outputs[0]).upper()}",
    }
    emit.operator("CAST", [emit.read(name, order)], [written], **kinds)


def where(conversion: Conversion, node: Node) -> None:
    """SELECT_V2."""
    emit = conversion.emit
    order, numbers = conversion.broadcast(node.inputs, len(emit.shape(node.outputs[0])))
    emit.operator("SELECT_V2", numbers, [emit.place(node.outputs[0], order)])


def writers() -> dict[str, Write]:
    """What this module writes, by ONNX operator."""
    found: dict[str, Write] = dict.fromkeys(UNARY, unary)
    found |= dict.fromkeys(BINARY, binary)
    found |= dict.fromkeys(MANY, many)
    return found | {
        "Cast": cast, "Clip": clamp, "Gelu": gelu, "HardSigmoid": hard_sigmoid,
        "LeakyRelu": leaky_relu, "PRelu": prelu, "Pow": power, "Reciprocal": reciprocal,
        "Relu": clamp, "Softplus": softplus, "Where": where,
    }  # fmt: skip
