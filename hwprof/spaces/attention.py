"""Networks of attention layers, written down once: counted, or rendered as ONNX.

Shapes: batch b, sequence length t, width w. All tensors are float32 but token ids (int64).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.opcosts.operations import PER_ELEMENT, VIEWS
from hwprof.spaces.base import Costs
from hwprof.spaces.building import CONSTANT, Shape, Tensor

if TYPE_CHECKING:
    import onnx

Fill = Callable[[], NDArray[np.generic]]

# LayerNormalization came with opset 17; IR 8 goes with it and every runtime of today reads it.
_OPSET, _IR = 17, 8
# What a masked score gets: exp of it is zero, and it is a number in float16 too.
_MASKED = -1e4
_SEED = 0


@dataclass(frozen=True, slots=True)
class _Node:
    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


class Tape:
    """A network being written down, operator by operator, its costs counted on the way.

    Counting follows `hwprof.opcosts`.
    """

    def __init__(self) -> None:
        self._nodes: list[_Node] = []
        self._weights: dict[str, tuple[Shape, float, float]] = {}
        self._constants: dict[str, Fill] = {}
        self._inputs: list[Tensor] = []
        self._flops = 0
        self._activation_bytes = 0

    @property
    def costs(self) -> Costs:
        """What was written down so far; token ids and views are no activations."""
        learned = sum(prod(shape) for shape, _, _ in self._weights.values())
        return Costs(self._flops, learned, self._activation_bytes)

    def tokens(self, name: str, batch: int, length: int) -> Tensor:
        """An input of token ids `[b, t]`."""
        self._inputs.append(Tensor(name, (batch, length)))
        return self._inputs[-1]

    def weight(self, name: str, *shape: int, mean: float = 0.0, deviation: float = 0.02) -> Tensor:
        """A learned tensor, normally distributed. Raises ValueError for a second of one name."""
        if name in self._weights:
            raise ValueError(f"the network has two weights {name}")
        self._weights[name] = (shape, mean, deviation)
        return Tensor(name, shape)

    def constant(self, name: str, shape: Shape, fill: Fill) -> Tensor:
        """A tensor that is not learned; one per name, filled when it is rendered."""
        self._constants[CONSTANT + name] = fill
        return Tensor(CONSTANT + name, shape)

    def number(self, name: str, value: float) -> Tensor:
        """A scalar that is not learned."""
        return self.constant(name, (), lambda: np.array(value, dtype=np.float32))

    def op(
        self,
        op: str,
        scope: str,
        inputs: Sequence[Tensor],
        shape: Shape,
        inner: int = 0,
        **attributes: Any,
    ) -> Tensor:
        """An operator with one output; `inner` is the inner length of a product."""
        return self._write(op, scope, inputs, (shape,), inner, attributes)[0]

    def linear(self, scope: str, x: Tensor, width: int, bias: bool = True) -> Tensor:
        """`[..., w] -> [..., width]`, as exporters write it: a product and a sum."""
        inner = x.shape[-1]
        weight = self.weight(f"{scope}.weight", inner, width, deviation=1 / sqrt(inner))
        shape = (*x.shape[:-1], width)
        y = self.op("MatMul", scope, [x, weight], shape, inner)
        return self.add(scope, y, self.weight(f"{scope}.bias", width)) if bias else y

    def add(self, scope: str, x: Tensor, y: Tensor) -> Tensor:
        """Sum in the shape of x, over which y is spread."""
        return self.op("Add", scope, [x, y], x.shape)

    def norm(self, scope: str, x: Tensor) -> Tensor:
        """Layer normalisation of the last dimension (Ba et al., 2016)."""
        width = x.shape[-1]
        scale = self.weight(f"{scope}.scale", width, mean=1.0)
        shift = self.weight(f"{scope}.shift", width)
        return self.op(
            "LayerNormalization", scope, [x, scale, shift], x.shape, axis=-1, epsilon=1e-5
        )

    def gelu(self, scope: str, x: Tensor) -> Tensor:
        """The exact one, `0.5 x (1 + erf(x / sqrt 2))` (Hendrycks & Gimpel, 2016)."""
        root, one, half = (self.number(*c) for c in (("root2", sqrt(2)), ("one", 1), ("half", 0.5)))
        y = self.op("Div", scope, [x, root], x.shape)
        y = self.add(scope, self.op("Erf", scope, [y], x.shape), one)
        y = self.op("Mul", scope, [x, y], x.shape)
        return self.op("Mul", scope, [y, half], x.shape)

    def split(self, scope: str, x: Tensor, parts: int) -> list[Tensor]:
        """Equal parts of the last dimension."""
        width = x.shape[-1] // parts
        sizes = self._integers([width] * parts)
        shapes = ((*x.shape[:-1], width),) * parts
        return self._write("Split", scope, [x, sizes], shapes, 0, {"axis": len(x.shape) - 1})

    def reshape(self, scope: str, x: Tensor, *shape: int) -> Tensor:
        """The same elements under another shape."""
        return self.op("Reshape", scope, [x, self._integers(shape)], shape)

    def slice(self, scope: str, x: Tensor, width: int) -> Tensor:
        """The first `width` of the last dimension."""
        bounds = [self._integers([n]) for n in (0, width, len(x.shape) - 1)]
        return self.op("Slice", scope, [x, *bounds], (*x.shape[:-1], width))

    def concat(self, scope: str, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Tensors one after the other along an axis."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.op("Concat", scope, parts, tuple(shape), axis=axis)

    def transpose(self, scope: str, x: Tensor, *order: int) -> Tensor:
        """Dimensions in another order."""
        return self.op("Transpose", scope, [x], tuple(x.shape[i] for i in order), perm=list(order))

    def lookup(self, scope: str, table: Tensor, tokens: Tensor) -> Tensor:
        """Rows of a table `[vocabulary, w]`, `[b, t] -> [b, t, w]`."""
        return self.op("Gather", scope, [table, tokens], (*tokens.shape, table.shape[1]), axis=0)

    def causal_mask(self, length: int) -> Tensor:
        """Added to scores: a token sees itself and what came before, `[t, t]`."""
        return self.constant(
            "causal_mask",
            (length, length),
            lambda: np.triu(np.full((length, length), _MASKED, dtype=np.float32), 1),
        )

    def attention(
        self,
        scope: str,
        x: Tensor,
        memory: Tensor | None,
        width: int,
        heads: int,
        mask: Tensor | None = None,
        bias: bool = True,
    ) -> Tensor:
        """Attention of several heads (Vaswani et al., 2017), `[b, t, w] -> [b, t, w]`.

        Queries, keys and values are `width` wide in all heads together. They come from x in one
        product, or queries from x, and keys and values from a memory `[b, s, v]`.
        """
        batch, length, outer = x.shape
        head = width // heads
        if memory is None:
            packed = self.linear(f"{scope}.qkv", x, 3 * width, bias)
            q, k, v = self.split(scope, packed, 3)
        else:
            q = self.linear(f"{scope}.query", x, width, bias)
            k = self.linear(f"{scope}.key", memory, width, bias)
            v = self.linear(f"{scope}.value", memory, width, bias)
        keys = k.shape[1]
        q = self.op("Mul", scope, [q, self.number(f"scale{head}", head**-0.5)], q.shape)
        q = self.transpose(scope, self.reshape(scope, q, batch, length, heads, head), 0, 2, 1, 3)
        k = self.transpose(scope, self.reshape(scope, k, batch, keys, heads, head), 0, 2, 3, 1)
        v = self.transpose(scope, self.reshape(scope, v, batch, keys, heads, head), 0, 2, 1, 3)
        scores = self.op("MatMul", scope, [q, k], (batch, heads, length, keys), head)
        if mask is not None:
            scores = self.add(scope, scores, mask)
        shares = self.op("Softmax", scope, [scores], scores.shape, axis=-1)
        mixed = self.op("MatMul", scope, [shares, v], (batch, heads, length, head), keys)
        mixed = self.transpose(scope, mixed, 0, 2, 1, 3)
        mixed = self.reshape(scope, mixed, batch, length, width)
        return self.linear(f"{scope}.out", mixed, outer, bias)

    def logits(self, scope: str, x: Tensor, table: Tensor) -> Tensor:
        """Scores of every token by the embedding table itself, `[b, t, w] -> [b, t, vocabulary]`.

        A Gemm, because it reads the table transposed without a copy of it.
        """
        batch, length, width = x.shape
        flat = self.reshape(scope, x, batch * length, width)
        shape = (batch * length, table.shape[0])
        scores = self.op("Gemm", scope, [flat, table], shape, width, transB=1)
        return self.reshape("logits", scores, batch, length, table.shape[0])

    def model(self, name: str, result: Tensor) -> onnx.ModelProto:
        """The network as ONNX; `result` leaves it as `logits`. Weights are random, but fixed."""
        from onnx import TensorProto, helper, numpy_helper

        inputs = [
            helper.make_tensor_value_info(t.name, TensorProto.INT64, t.shape) for t in self._inputs
        ]
        nodes = [
            helper.make_node(
                node.op,
                [*node.inputs],
                ["logits" if o == result.name else o for o in node.outputs],
                name=node.name,
                **node.attributes,
            )
            for node in self._nodes
        ]
        rng = np.random.default_rng(_SEED)
        initialisers = [
            numpy_helper.from_array(fill(), constant) for constant, fill in self._constants.items()
        ]
        for weight, (shape, mean, deviation) in self._weights.items():
            values = rng.standard_normal(shape, dtype=np.float32)
            values *= np.float32(deviation)
            values += np.float32(mean)
            initialisers.append(numpy_helper.from_array(values, weight))
        graph = helper.make_graph(
            nodes,
            name,
            inputs,
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, result.shape)],
            initialisers,
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR,
            producer_name="hwprof",
        )

    def _write(
        self,
        op: str,
        scope: str,
        inputs: Sequence[Tensor],
        shapes: Sequence[Shape],
        inner: int,
        attributes: dict[str, Any],
    ) -> list[Tensor]:
        name = f"{scope}.{op}_{len(self._nodes)}"
        plural = len(shapes) > 1
        outputs = [Tensor(f"{name}.{i}" if plural else name, s) for i, s in enumerate(shapes)]
        reads, writes = tuple(t.name for t in inputs), tuple(t.name for t in outputs)
        self._nodes.append(_Node(op, name, reads, writes, attributes))
        elements = sum(prod(shape) for shape in shapes)
        self._flops += (2 * inner + PER_ELEMENT.get(op, 0)) * elements
        if ("", op) not in VIEWS:
            self._activation_bytes += 4 * elements
        return outputs

    def _integers(self, values: Sequence[int]) -> Tensor:
        """Whole numbers that an operator takes as a tensor."""
        name = "x".join(str(value) for value in values)
        return self.constant(f"int{name}", (len(values),), lambda: np.array(values, dtype=np.int64))


def check_sizes(space: str, batch: int, length: int, longest: int) -> None:
    """Raise OptionError for a batch or a sequence length that a network cannot take."""
    if not _whole(batch) or batch < 1:
        raise OptionError(f"batch must be a whole number from 1, but is {batch}; give 1 or more")
    if not _whole(length) or not 1 <= length <= longest:
        raise OptionError(
            f"resolution of {space} is the sequence length, a whole number from 1 to {longest}, "
            f"but is {length}; give another"
        )


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
