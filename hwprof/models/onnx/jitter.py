"""A copy of an ONNX model whose roundings fall otherwise: how far they alone move its outputs.

Two right evaluations of a model in few bits differ, because a value that lies between two steps is
rounded to either of them, and optimised kernels leave roundings out or add some. How much of that
reaches the outputs hangs on the model, so it is tried out: every rounded tensor is moved at random
by about one step, and the copy is run a few times. The idea is that of discrete stochastic
arithmetic (Vignes, "Discrete Stochastic Arithmetic for Validating Results of Numerical Software",
Numerical Algorithms 37, 2004).
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwprof.errors import DeviceError, ModelError
from hwprof.models.base import Model
from hwprof.models.onnx.file import read_with_weights
from hwprof.models.onnx.graph import IDLE, constant_tensors, opset_of, subgraphs
from hwprof.models.onnx.infer import element_types
from hwprof.models.onnx.numerics import SAME_STEPS, quantises

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

UNIT_ROUNDOFF = {"fp16": 2.0**-11, "tf32": 2.0**-11, "bf16": 2.0**-8}
"""Largest relative error of rounding to a type (Higham, "Accuracy and Stability of Numerical
Algorithms", section 2.1)."""

# They hand elements on, or choose among them, and round nothing.
_MOVES = IDLE | {
    *("Transpose", "Concat", "Slice", "Split", "Gather", "Expand", "Pad", "Tile", "Where"),
    *("MaxPool", "Relu", "Max", "Min", "Clip", "Neg", "Abs", "DepthToSpace", "SpaceToDepth"),
}
# Share of elements moved by one step, which is their mean square in steps. A rounding that is left
# out moves a value by 1/12: the mean square of what is rounded off. Where every runtime chooses its
# own steps, two roundings are independent, and their mean squares add up.
_LEFT_OUT, _OTHERWISE = 1 / 12, 1 / 6
_PRODUCTS = frozenset({"MatMul", "Gemm"})
# Their weights have so few bits that runtimes compute with activations of 8 bits.
_FEW_BITS = frozenset({"MatMulNBits", "GatherBlockQuantized"})
# Of a uniform error, so that its root mean square is that of K roundings of partial sums.
SUMMED = 0.75
# Weights and noise are held in memory, and the copy is one protocol buffer.
LARGEST_BYTES = 1_000_000_000


def jittered_copy(model: Model, precision: str, folder: Path, seed: int = 0) -> Model | None:
    """`model` written into `folder` with every rounding left to chance; None if it rounds nothing.

    Rounded are quantised tensors, floats of 16 bits, what is multiplied with weights of few bits,
    and, where `precision` is one of `UNIT_ROUNDOFF`, every float: a device computes in it. Runs of
    one session differ; `seed` makes first runs differ as well.

    Raises ModelError when the file cannot be opened or is too large, DeviceError when the copy
    cannot be written.
    """
    import onnx

    if model.needed_bytes > LARGEST_BYTES:
        raise ModelError(
            f"'{model.path.name}' is too large to try out what rounding does to it; "
            "measure with --no-check-outputs"
        )
    proto = read_with_weights(model.path)
    if not _Jitter(proto, precision, seed).apply():
        return None
    target = folder / "jittered.onnx"
    try:
        onnx.save(proto, str(target))
    except (OSError, ValueError) as error:
        raise DeviceError(
            f"a copy of '{model.path.name}' cannot be written: {error}; "
            "free some space in the temporary folder"
        ) from error
    return replace(model, path=target, external=())


class _Jitter:
    """The nodes that move tensors of one model."""

    def __init__(self, proto: ModelProto, precision: str, seed: int) -> None:
        self._proto = proto
        self._seed = seed * 65536
        self._axes_are_input = opset_of(proto) >= 18
        self._types = element_types(proto)
        self._roundoff = UNIT_ROUNDOFF.get(precision)
        self._shapes = {t.name: tuple(t.dims) for t in proto.graph.initializer}
        self._count = 0

    def apply(self) -> int:
        """Change the model. Returns how many tensors are moved."""
        self._graph(self._proto.graph, frozenset())
        return self._count

    def _graph(self, graph: GraphProto, outer: frozenset[str]) -> None:
        from onnx import numpy_helper

        constant = frozenset(constant_tensors(graph, False, outer)) | outer
        quantised_weights = {
            node.output[0]
            for node in graph.node
            if node.op_type == "DequantizeLinear" and node.input[0] in constant
        }
        small = {t.name: numpy_helper.to_array(t) for t in graph.initializer if _is_single(t)}
        zero_points = {n: v for n, v in small.items() if self._types.get(n) in _LIMITS}
        grids = _grids(graph, small)
        nodes = list(graph.node)
        del graph.node[:]
        for node in nodes:
            for _, inner in subgraphs(node):
                self._graph(inner, constant)
            on_grid = grids.get(node.input[0]) if node.input else None
            same = on_grid is not None and on_grid == _grid(node, small)
            if same or any(name in constant for name in node.output):
                # Rounding to the steps that it lies on already changes nothing.
                graph.node.append(node)
                continue
            if node.op_type in _FEW_BITS or (
                node.op_type in _PRODUCTS
                and node.input[1] in quantised_weights
                and node.input[0] not in constant
                and on_grid is None
            ):
                graph.node.extend(self._activations(node))
            after = self._outputs(node, zero_points)
            graph.node.append(node)
            graph.node.extend(after)

    def _outputs(self, node: NodeProto, zero_points: dict[str, np.ndarray]) -> list[NodeProto]:
        """Nodes that move what `node` computes and rounds; its output is renamed for them."""
        output = node.output[0] if node.output else ""
        kind = self._types.get(output, 0)
        if quantises(node):
            if not kind:
                # Of an operator that onnx does not know; its zero points have the type.
                known = [self._types[name] for name in node.input if name in zero_points]
                kind = known[-1] if known else 0
            limits = _LIMITS.get(kind)
            if limits is None:
                return []
            return self._by_steps(node, kind, limits, zero_points)
        roundoff = _roundoff_of(kind, self._roundoff)
        if not output or node.op_type in _MOVES or roundoff is None:
            return []
        return self._by_share(node, kind, roundoff * _summed(node, self._shapes))

    def _by_steps(
        self,
        node: NodeProto,
        kind: int,
        limits: tuple[int, int],
        zero_points: dict[str, np.ndarray],
    ) -> list[NodeProto]:
        """One step up or down for a share of the elements: `_LEFT_OUT` or `_OTHERWISE`.

        Elements at the ends of the range, where they were cut off, and those that are exactly
        zero, as most of a Relu's are, stay: no rounding brought them there.
        """
        from onnx import TensorProto

        output, exact = self._renamed(node)
        made = _Nodes(output)
        value = made.add("Cast", [exact], to=TensorProto.FLOAT)
        share = _OTHERWISE if node.op_type == "DynamicQuantizeLinear" else _LEFT_OUT
        # Uniform beyond 0 and 1, rounded down: -1 and 1 for half the share each, else 0.
        beyond = share / (2 - 2 * share)
        step = made.add("Floor", [self._random(made, value, -beyond, 1 + beyond)])
        for limit, upper in zip(limits, (False, True), strict=True):
            end = self._number(made, float(limit))
            gap = made.add("Sub", [end, value] if upper else [value, end])
            step = made.add("Mul", [step, made.add("Sign", [gap])])
        zero: str | None
        if node.op_type == "DynamicQuantizeLinear":
            zero = made.add("Cast", [node.output[2]], to=TensorProto.FLOAT)
        else:
            known = [zero_points[name] for name in node.input if name in zero_points]
            at = float(known[-1].astype(np.float32).reshape(())) if known else 0.0
            zero = self._number(made, at)
        off = made.add("Sign", [made.add("Abs", [made.add("Sub", [value, zero])])])
        moved = made.add("Add", [value, made.add("Mul", [step, off])])
        made.add("Cast", [moved], output, to=kind)
        return made.nodes

    def _by_share(self, node: NodeProto, kind: int, roundoff: float) -> list[NodeProto]:
        """Every element by at most `roundoff` of itself."""
        from onnx import TensorProto

        output, exact = self._renamed(node)
        made = _Nodes(output)
        value = made.add("Cast", [exact], to=TensorProto.FLOAT)
        factor = self._random(made, value, 1 - roundoff, 1 + roundoff)
        made.add("Cast", [made.add("Mul", [value, factor])], output, to=kind)
        return made.nodes

    def _activations(self, node: NodeProto) -> list[NodeProto]:
        """Move what `node` reads first by half a step of 8 bits, of its largest in each row."""
        from onnx import TensorProto

        read = node.input[0]
        kind = self._types.get(read) or TensorProto.FLOAT
        self._count += 1
        moved = f"{read}/hwprof_moved{self._count}"
        node.input[0] = moved
        made = _Nodes(moved)
        value = made.add("Cast", [read], to=TensorProto.FLOAT)
        size = made.add("Abs", [value])
        if self._axes_are_input:
            largest = made.add("ReduceMax", [size, self._axis(made)], keepdims=1)
        else:
            largest = made.add("ReduceMax", [size], axes=[-1], keepdims=1)
        noise = made.add("Mul", [self._random(made, value, -0.5 / 127, 0.5 / 127), largest])
        made.add("Cast", [made.add("Add", [value, noise])], moved, to=kind)
        return made.nodes

    def _renamed(self, node: NodeProto) -> tuple[str, str]:
        output = node.output[0]
        self._count += 1
        exact = f"{output}/hwprof_exact{self._count}"
        node.output[0] = exact
        return output, exact

    def _random(self, made: _Nodes, like: str, low: float, high: float) -> str:
        self._count += 1
        seed = float(self._seed + self._count)
        return made.add("RandomUniformLike", [like], low=low, high=high, seed=seed)

    def _number(self, made: _Nodes, number: float) -> str:
        from onnx import numpy_helper

        return made.add("Constant", [], value=numpy_helper.from_array(np.array(number, np.float32)))

    def _axis(self, made: _Nodes) -> str:
        from onnx import numpy_helper

        return made.add("Constant", [], value=numpy_helper.from_array(np.array([-1], np.int64)))


Grid = tuple[bytes, bytes]
"""Scale and zero point of steps, each a single number."""


def _is_single(tensor: TensorProto) -> bool:
    return int(np.prod(tensor.dims)) == 1


def _grid(node: NodeProto, small: dict[str, np.ndarray]) -> Grid | None:
    """The steps that a node rounds to or brings back from, if they are stored and for all alike."""
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or node.input[1] not in small:
        return None
    zero = small.get(node.input[2]) if len(node.input) > 2 else None
    return small[node.input[1]].tobytes(), b"" if zero is None else zero.tobytes()


def _grids(graph: GraphProto, small: dict[str, np.ndarray]) -> dict[str, Grid]:
    """Tensors that lie on steps because they were brought back from them, and the steps."""
    found: dict[str, Grid] = {}
    for node in graph.node:
        grid = _grid(node, small) if node.op_type == "DequantizeLinear" else None
        if node.op_type in SAME_STEPS:
            grid = found.get(node.input[0])
        if grid is not None:
            found[node.output[0]] = grid
    return found


class _Nodes:
    """Nodes in a row, whose tensors are named after the one that they end in."""

    def __init__(self, end: str) -> None:
        self._end = end
        self.nodes: list[NodeProto] = []

    def add(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"{self._end}/hwprof_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, inputs, [output], name=f"{output}/hwprof_node", **attributes)
        )
        return output


def _roundoff_of(kind: int, computed_in: float | None) -> float | None:
    """Of a float type by ONNX's number, on a device that computes in floats of `computed_in`."""
    own = {10: UNIT_ROUNDOFF["fp16"], 16: UNIT_ROUNDOFF["bf16"]}.get(kind)
    if kind == 1:
        return computed_in
    return own if own is None or computed_in is None else max(own, computed_in)


def _summed(node: NodeProto, shapes: dict[str, tuple[int, ...]]) -> float:
    """How many roundoffs the sums of a product may come to where a runtime adds up in few bits.

    Errors of K additions grow like the root of K (Higham and Mary, "A New Approach to Probabilistic
    Rounding Error Analysis", SIAM J. Sci. Comput. 41, 2019). 1 where K is not known.
    """
    weight = shapes.get(node.input[1]) if len(node.input) > 1 else None
    if not weight or len(weight) < 2:
        return 1.0
    if node.op_type == "Conv":
        terms = math.prod(weight[1:])
    elif node.op_type == "ConvTranspose":
        terms = weight[0]
    elif node.op_type in _PRODUCTS:
        terms = min(weight[-2:]) if node.op_type == "Gemm" else weight[-2]
    else:
        return 1.0
    return max(1.0, SUMMED * math.sqrt(terms))


# Ends of the integer types, by ONNX's number (TensorProto.DataType).
_LIMITS = {
    **{2: (0, 255), 3: (-128, 127), 4: (0, 65535), 5: (-32768, 32767)},
    **{21: (0, 15), 22: (-8, 7)},
}
