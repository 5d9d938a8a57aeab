"""Networks written down once, operator by operator: counted, or rendered as ONNX."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwprof.models.onnx.write import Node, Shape, onnx_model
from hwprof.opcosts import known_operators
from hwprof.opcosts.operations import PER_ELEMENT, VIEWS
from hwprof.spaces.base import Costs

if TYPE_CHECKING:
    import onnx

Fill = Callable[[], NDArray[Any]]
"""Makes the elements of a constant, when a model is rendered and not before."""

CONSTANT = "constant."
"""Names of what is not learned begin with it: statistics, factors, masks and target shapes."""
_SEED = 0


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the network."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class _Weight:
    shape: Shape
    mean: float
    deviation: float


class Recorder(ABC):
    """A network being written down, its costs counted on the way; subclasses know its layers.

    Counting follows `hwprof.opcosts`. A scope is the name of a layer, such as `stage1.cell2.stem`;
    a scope takes weights once.
    """

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._weights: dict[str, _Weight] = {}
        self._constants: dict[str, Fill] = {}
        self._inputs: list[tuple[str, str, Shape]] = []
        self._flops = 0
        self._activation_bytes = 0

    @property
    @abstractmethod
    def integers_prefix(self) -> str:
        """What the names of whole numbers that an operator takes as a tensor begin with.

        Names are part of a model's identity: they stay what they were.
        """

    @property
    def costs(self) -> Costs:
        """What was written down so far. Inputs and views are no activations."""
        learned = sum(prod(weight.shape) for weight in self._weights.values())
        return Costs(self._flops, learned, self._activation_bytes)

    def input(self, name: str, *shape: int, dtype: str = "float32") -> Tensor:
        """An input of the network."""
        self._inputs.append((name, dtype, shape))
        return Tensor(name, shape)

    def weight(self, name: str, *shape: int, mean: float = 0.0, deviation: float = 0.02) -> Tensor:
        """A learned tensor, normally distributed. Raises ValueError for a second of one name."""
        if name in self._weights:
            raise ValueError(f"the network has two weights {name}")
        self._weights[name] = _Weight(shape, mean, deviation)
        return Tensor(name, shape)

    def constant(self, name: str, shape: Shape, fill: Fill) -> Tensor:
        """A tensor that is not learned; one per name."""
        self._constants[CONSTANT + name] = fill
        return Tensor(CONSTANT + name, shape)

    def number(self, name: str, value: float) -> Tensor:
        """A scalar that is not learned."""
        return self.constant(name, (), lambda: np.array(value, dtype=np.float32))

    def integers(self, values: Sequence[int]) -> Tensor:
        """Whole numbers that an operator takes as a tensor, `[n]`."""
        name = self.integers_prefix + "x".join(str(value) for value in values)
        return self.constant(name, (len(values),), lambda: np.array(values, dtype=np.int64))

    def node(
        self,
        op: str,
        scope: str,
        inputs: Sequence[Tensor],
        shape: Shape,
        inner: int = 0,
        each: int | None = None,
        **attributes: Any,
    ) -> Tensor:
        """An operator with one output.

        `inner` are its multiply-accumulates per output element, `each` its other operations;
        None takes those of `hwprof.opcosts`. Raises ValueError for an operator without costs.
        """
        return self.parts(op, scope, inputs, [shape], inner, each, **attributes)[0]

    def parts(
        self,
        op: str,
        scope: str,
        inputs: Sequence[Tensor],
        shapes: Sequence[Shape],
        inner: int = 0,
        each: int | None = None,
        **attributes: Any,
    ) -> list[Tensor]:
        """An operator with one output per shape; otherwise as `node`."""
        if ("", op) not in known_operators():
            raise ValueError(f"hwprof.opcosts does not count {op}")
        name = f"{scope}.{op}_{len(self._nodes)}"
        plural = len(shapes) > 1
        outputs = [Tensor(f"{name}.{i}" if plural else name, s) for i, s in enumerate(shapes)]
        reads, writes = [t.name for t in inputs], [t.name for t in outputs]
        self._nodes.append(Node(op, name, reads, writes, attributes))
        elements = sum(prod(shape) for shape in shapes)
        other = PER_ELEMENT.get(op, 0) if each is None else each
        self._flops += (2 * inner + other) * elements
        if ("", op) not in VIEWS:
            self._activation_bytes += 4 * elements
        return outputs

    def add(self, scope: str, x: Tensor, y: Tensor) -> Tensor:
        """Sum in the shape of x, over which y is spread."""
        return self.node("Add", scope, [x, y], x.shape)

    def multiply(self, scope: str, x: Tensor, y: Tensor) -> Tensor:
        """Product in the shape of x, over which y is spread."""
        return self.node("Mul", scope, [x, y], x.shape)

    def reshape(self, scope: str, x: Tensor, *shape: int) -> Tensor:
        """The same elements under another shape."""
        return self.node("Reshape", scope, [x, self.integers(shape)], shape)

    def transpose(self, scope: str, x: Tensor, *order: int) -> Tensor:
        """Dimensions in another order."""
        shape = tuple(x.shape[i] for i in order)
        return self.node("Transpose", scope, [x], shape, perm=list(order))

    def model(self, name: str, result: Tensor) -> onnx.ModelProto:
        """The network as ONNX; `result` leaves it as `logits`. Weights are random, but fixed."""
        renamed = {result.name: "logits"}
        nodes = (
            Node(n.op, n.name, n.inputs, [renamed.get(o, o) for o in n.outputs], n.attributes)
            for n in self._nodes
        )
        logits = ("logits", "float32", result.shape)
        return onnx_model(name, nodes, self._inputs, [logits], self._tensors(), producer="hwprof")

    def _tensors(self) -> Iterator[tuple[str, NDArray[Any]]]:
        for constant, fill in self._constants.items():
            yield constant, fill()
        rng = np.random.default_rng(_SEED)
        for weight, form in self._weights.items():
            drawn = rng.standard_normal(form.shape, dtype=np.float32)
            drawn *= np.float32(form.deviation)
            drawn += np.float32(form.mean)
            yield weight, drawn


def total(parts: Iterable[Costs]) -> Costs:
    """Costs of the parts of a network together."""
    each = ((part.flops, part.parameters, part.activation_bytes) for part in parts)
    return Costs(*(sum(column) for column in zip(*each, strict=True)))
