"""How far the elements of a model's tensors spread, worked out without running it.

Means and variances go through the operators one by one, elements taken for independent and sums for
normal, as in the analysis of random initialisations (Glorot & Bengio, AISTATS 2010; He et al., ICCV
2015). That is exact to a factor of two or so for random weights, which is what scales of quantised
tensors need there, and unlike a calibration run it gives the same on every machine: a model that is
made in two places is the same to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import erf, exp, inf, isclose, log, prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and variance over all elements of a tensor, and between what they must lie."""

    mean: float
    variance: float
    low: float = -inf
    high: float = inf

    @property
    def square(self) -> float:
        """Mean of the squares."""
        return self.mean**2 + self.variance

    def range(self, deviations: float) -> tuple[float, float]:
        """So many standard deviations to either side of the mean, not beyond the bounds."""
        reach = deviations * sqrt(max(self.variance, 0.0))
        return max(self.low, self.mean - reach), min(self.high, self.mean + reach)

    @classmethod
    def of(cls, values: NDArray[Any]) -> Spread:
        """That of known elements."""
        known = values.astype(np.float64)
        return cls(float(known.mean()), float(known.var()), float(known.min()), float(known.max()))


Rule = Callable[[list[Spread], list[tuple[int, ...]], dict[str, Any]], Spread]
"""The spread of what an operator writes, given those and the shapes of what it reads."""

# Of an input of floats nothing is known; one of whole numbers is an index, or a mask that hides
# nothing.
_FLOATS, _WHOLE = Spread(0.0, 1.0), Spread(1.0, 0.0, 0.0, 1.0)
# Where neighbours are averaged, channels still differ, and neighbours are alike.
_AVERAGED = 0.5
_POINTS = np.linspace(-6, 6, 241)
_WEIGHTS = np.exp(-(_POINTS**2) / 2) / np.exp(-(_POINTS**2) / 2).sum()
_ERF = np.vectorize(erf, otypes=[np.float64])


def spreads(model: Any) -> dict[str, Spread]:
    """The spread of each float tensor of an `onnx.ModelProto` of which it can be told.

    Tensors that unknown operators write, and what depends on them, are left out.
    """
    from onnx import helper, numpy_helper

    found: dict[str, Spread] = {}
    shapes = _shapes(model)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.size and values.dtype.kind in "iuf":
            found[tensor.name] = Spread.of(values)
    for given in model.graph.input:
        kind = helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type).kind
        found[given.name] = _FLOATS if kind == "f" else _WHOLE
    for node in model.graph.node:
        rule = _RULES.get(node.op_type)
        read = [found.get(name) for name in node.input]
        needed = read[:1] if node.op_type in _FIRST else read
        if rule is None or None in needed:
            continue
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        known = [each for each in read if each is not None]
        result = rule(known, [shapes.get(name, ()) for name in node.input], attributes)
        found.update(dict.fromkeys(node.output, result))
    return found


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of tensors; weights are not copied for it."""
    import onnx

    bare = onnx.ModelProto()
    bare.ir_version = model.ir_version
    bare.opset_import.extend(model.opset_import)
    bare.graph.node.extend(model.graph.node)
    bare.graph.input.extend(model.graph.input)
    bare.graph.output.extend(model.graph.output)
    found = {}
    for tensor in model.graph.initializer:
        found[tensor.name] = tuple(tensor.dims)
        if tensor.data_type == onnx.TensorProto.INT64:
            bare.graph.initializer.append(tensor)  # it may be a shape
        else:
            kind, dims = tensor.data_type, [*tensor.dims]
            bare.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, kind, dims))
    graph = onnx.shape_inference.infer_shapes(bare, data_prop=True).graph
    for value in (*graph.input, *graph.value_info, *graph.output):
        found[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    return found


def _products(x: Spread, y: Spread, count: int) -> Spread:
    """A sum of so many products."""
    mean = x.mean * y.mean
    return Spread(count * mean, count * (x.square * y.square - mean**2))


def _sum(x: Spread, y: Spread) -> Spread:
    return Spread(x.mean + y.mean, x.variance + y.variance, x.low + y.low, x.high + y.high)


def _weighted(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
    """Convolution: each element of the result has its group's channels and window."""
    result = _products(read[0], read[1], prod(shapes[1][1:]))
    return _sum(result, _unbounded(read[2])) if len(read) > 2 else result


def _matmul(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
    inner = shapes[0][0 if given.get("transA") else -1]
    if _are_shares(read[0], inner):
        # Tokens see much the same: their values are averaged, but do not cancel each other out.
        return replace(read[1], variance=_AVERAGED * read[1].variance)
    result = _products(read[0], read[1], inner)
    return _sum(result, _unbounded(read[2])) if len(read) > 2 else result


def _are_shares(x: Spread, count: int) -> bool:
    """Whether so many of the elements are 1 together, as behind a softmax."""
    return (x.low, x.high) == (0.0, 1.0) and isclose(count * x.mean, 1.0)


def _unbounded(x: Spread) -> Spread:
    return Spread(x.mean, x.variance)


def _mul(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
    x, y = read
    ends = [a * b for a in (x.low, x.high) for b in (y.low, y.high)]
    # Zero times infinity: nothing is known of the bound.
    low, high = (-inf, inf) if any(map(np.isnan, ends)) else (min(ends), max(ends))
    return replace(_products(x, y, 1), low=low, high=high)


def _div(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
    x, y = read
    size = sqrt(y.square)
    bounds = (x.low / y.low, x.high / y.low) if y.low == y.high and y.low > 0 else (-inf, inf)
    return Spread(x.mean / size, x.variance / size**2, *bounds)


def _batch_norm(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
    x, scale, shift, mean, variance = read
    centred = Spread(x.mean - mean.mean, x.variance + mean.variance)
    divided = Spread(scale.mean / sqrt(variance.mean), scale.variance / variance.mean)
    return _sum(_products(centred, divided, 1), _unbounded(shift))


def _layer_norm(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
    scaled = _products(Spread(0.0, 1.0), read[1], 1)
    return _sum(scaled, _unbounded(read[2])) if len(read) > 2 else scaled


def _softmax(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
    """Exponentials of a normal are log-normal; all shares of one row are 1 together."""
    count = shapes[0][int(given.get("axis", -1))]
    square = exp(min(read[0].variance, log(count))) / count**2
    return Spread(1 / count, square - 1 / count**2, 0.0, 1.0)


def _averaged(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
    return replace(read[0], variance=_AVERAGED * read[0].variance)


def _largest(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
    return replace(read[0], mean=read[0].mean + sqrt(read[0].variance))


def _joined(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
    mean = sum(x.mean for x in read) / len(read)
    square = sum(x.square for x in read) / len(read)
    low, high = min(x.low for x in read), max(x.high for x in read)
    return Spread(mean, square - mean**2, low, high)


def _each(
    function: Callable[[FloatArray, Mapping[str, Any]], FloatArray],
    low: float = -inf,
    high: float = inf,
) -> Rule:
    """A function of each element, of a normal one within its bounds; `low` and `high` of it."""

    def rule(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
        x = read[0]
        drawn = x.mean + sqrt(max(x.variance, 0.0)) * _POINTS
        values = function(np.clip(drawn, x.low, x.high), given)
        mean = float(_WEIGHTS @ values)
        return Spread(mean, float(_WEIGHTS @ (values - mean) ** 2), low, high)

    return rule


def _hard_sigmoid(x: FloatArray, given: Mapping[str, Any]) -> FloatArray:
    found: FloatArray = np.clip(given.get("alpha", 0.2) * x + given.get("beta", 0.5), 0, 1)
    return found


def _same(read: list[Spread], shapes: list[tuple[int, ...]], given: dict[str, Any]) -> Spread:
    return read[0]


def _rules(ops: Iterable[str], rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(ops, rule)


_FIRST = ("Cast", "Expand", "Gather", "Pad", "Reshape", "Slice", "Split", "Squeeze", "Tile")
"""Operators whose first input alone has the values; the others may be of any type."""
_RULES: Mapping[str, Rule] = {
    **_rules((*_FIRST, "Transpose", "Flatten", "Identity", "Dropout", "Unsqueeze"), _same),
    **_rules(("AveragePool", "GlobalAveragePool"), _averaged),
    **_rules(("Gemm", "MatMul"), _matmul),
    "Add": lambda read, shapes, given: _sum(*read),
    "BatchNormalization": _batch_norm,
    "Concat": _joined,
    "Conv": _weighted,
    "Div": _div,
    "Erf": _each(lambda x, given: _ERF(x), -1, 1),
    "HardSigmoid": _each(_hard_sigmoid, 0, 1),
    "HardSwish": _each(lambda x, given: x * np.clip(x / 6 + 0.5, 0, 1), -0.375),
    "LayerNormalization": _layer_norm,
    "MaxPool": _largest,
    "Mul": _mul,
    "Relu": _each(lambda x, given: np.maximum(x, 0), 0),
    "Sigmoid": _each(lambda x, given: 1 / (1 + np.exp(-x)), 0, 1),
    "Softmax": _softmax,
    "Sub": lambda read, shapes, given: _sum(
        read[0], Spread(-read[1].mean, read[1].variance, -read[1].high, -read[1].low)
    ),
    "Tanh": _each(lambda x, given: np.tanh(x), -1, 1),
}
