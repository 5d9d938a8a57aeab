"""Networks, written down once: counted, or rendered as ONNX.

What they are made of stands in `building` (convolutions) and `attention`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.graph import TensorSpec
from hwprof.models.onnx.write import Node, write_model
from hwprof.opcosts import known_operators
from hwprof.opcosts.operations import PER_ELEMENT, PICKING, VIEWS
from hwprof.spaces.base import Costs
from hwprof.spaces.work import Work

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]
Fill = Callable[[], NDArray[np.generic]]
"""Makes the values of a constant when the network is rendered."""

CONSTANT = "constant."
"""Names of what is not learned begin with it: statistics, factors, target shapes."""
RESULT = "logits"
"""What a rendered network calls its output."""
_SEED = 0


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the network."""

    name: str
    shape: Shape
    itemsize: int = 4
    """Bytes of an element."""

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.itemsize * prod(self.shape)


@dataclass(frozen=True, slots=True)
class _Weight:
    shape: Shape
    mean: float
    deviation: float


class Recorder(ABC):
    """A network being written down, node by node, its costs counted on the way.

    Counting follows `hwprof.opcosts`. A scope is the name of a layer, such as `stage1.cell2.stem`;
    a scope takes weights once. Tensors are float32 but what an input or a constant says.

    One that is made with another recorder goes on with the other's network, by layers of its own.
    """

    def __init__(self, other: Recorder | None = None) -> None:
        if other is not None:
            # Two kinds of layers write down one network: what one adds, the other has.
            self.__dict__ = other.__dict__
            return
        self._nodes: list[Node] = []
        self._weights: dict[str, _Weight] = {}
        self._constants: dict[str, Fill] = {}
        self._inputs: list[TensorSpec] = []
        self._flops = 0
        self._activation_bytes = 0
        self._works: list[Work] = []
        self._int8_works: list[Work] = []
        self._int8_saved = 0

    @abstractmethod
    def linear(self, scope: str, x: Tensor, width: int) -> Tensor:
        """A linear layer with a bias, to `width` features, as such networks have it."""

    @property
    @final
    def costs(self) -> Costs:
        """What was written down so far. Inputs and views are no activations."""
        learned = sum(prod(weight.shape) for weight in self._weights.values())
        found = Costs(self._flops, learned, self._activation_bytes, Work.total(self._works))
        stored = self._activation_bytes - self._int8_saved
        int8 = Costs(self._flops, learned, stored, Work.total(self._int8_works))
        return replace(found, int8=int8)

    @final
    def input(self, name: str, *shape: int, dtype: str = "float32") -> Tensor:
        """What the network is given."""
        self._inputs.append(TensorSpec(name, dtype, shape))
        return Tensor(name, shape, np.dtype(dtype).itemsize)

    @final
    def weight(self, name: str, *shape: int, mean: float = 0.0, deviation: float = 0.02) -> Tensor:
        """A learned tensor, normally distributed. Raises ValueError for a second of one name."""
        if name in self._weights:
            raise ValueError(f"the network has two weights {name}")
        self._weights[name] = _Weight(shape, mean, deviation)
        return Tensor(name, shape)

    @final
    def constant(self, name: str, shape: Shape, fill: Fill, itemsize: int = 4) -> Tensor:
        """A tensor that is not learned; one per name, filled when it is rendered."""
        self._constants[CONSTANT + name] = fill
        return Tensor(CONSTANT + name, shape, itemsize)

    @final
    def number(self, name: str, value: float) -> Tensor:
        """A scalar that is not learned."""
        return self.constant(name, (), lambda: np.array(value, dtype=np.float32))

    @final
    def integers(self, prefix: str, values: Sequence[int]) -> Tensor:
        """Whole numbers that an operator takes as a tensor; their name is made of them."""
        name = prefix + "x".join(str(value) for value in values)
        return self.constant(name, (len(values),), lambda: np.array(values, dtype=np.int64), 8)

    @final
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
        """An operator with one output; see `outputs`."""
        return self.outputs(op, scope, inputs, (shape,), inner, each, **attributes)[0]

    @final
    def outputs(
        self,
        op: str,
        scope: str,
        inputs: Sequence[Tensor],
        shapes: Sequence[Shape],
        inner: int = 0,
        each: int | None = None,
        **attributes: Any,
    ) -> list[Tensor]:
        """What an operator writes, one tensor per shape.

        `inner` are its multiply-accumulates per output element, `each` its other operations;
        None takes those of `hwprof.opcosts`. Raises ValueError for an operator without costs.
        """
        if ("", op) not in known_operators():
            raise ValueError(f"hwprof.opcosts does not count {op}")
        name = f"{scope}.{op}_{len(self._nodes)}"
        several = len(shapes) > 1
        outputs = [Tensor(f"{name}.{i}" if several else name, s) for i, s in enumerate(shapes)]
        reads, writes = tuple(t.name for t in inputs), tuple(t.name for t in outputs)
        self._nodes.append(Node(op, name, reads, writes, attributes))
        elements = sum(prod(shape) for shape in shapes)
        other = PER_ELEMENT.get(op, 0) if each is None else each
        self._flops += (2 * inner + other) * elements
        if ("", op) not in VIEWS:
            self._activation_bytes += 4 * elements
            self._count(op, inputs, elements, inner * elements, attributes)
        return outputs

    @final
    def add(self, scope: str, x: Tensor, y: Tensor) -> Tensor:
        """Sum in the shape of x, over which y is spread."""
        return self.node("Add", scope, [x, y], x.shape)

    @final
    def multiply(self, scope: str, x: Tensor, y: Tensor) -> Tensor:
        """Product in the shape of x, over which y is spread."""
        return self.node("Mul", scope, [x, y], x.shape)

    @final
    def model(self, name: str, result: Tensor) -> onnx.ModelProto:
        """The network as ONNX; `result` leaves it as `logits`. Weights are random, but fixed."""

        def renamed(node: Node) -> Node:
            outputs = tuple(RESULT if o == result.name else o for o in node.outputs)
            return replace(node, outputs=outputs)

        return write_model(
            name,
            map(renamed, self._nodes),
            self._inputs,
            [TensorSpec(RESULT, "float32", result.shape)],
            self._values(),
            producer="hwprof",
        )

    def _count(
        self,
        op: str,
        inputs: Sequence[Tensor],
        written: int,
        products: int,
        attributes: Mapping[str, Any],
    ) -> None:
        """Note what an operator has to do, in float32 and in int8; it writes so many elements.

        `products` are its multiply-accumulates. In int8, an operator that has any reads what it
        multiplies and writes its result at one byte per element; biases stay at four.
        """
        read = [t.nbytes for t in inputs]
        if ("", op) in PICKING:
            read[0] = min(read[0], 4 * written)
        kind, taps = {"attention": products}, 0
        if any(tensor.name in self._weights for tensor in inputs):
            groups = attributes.get("group", 1)
            alone = groups > 1 and groups == inputs[0].shape[1]
            kind = {"depthwise": products} if alone else {"arithmetic": products}
            taps = prod(attributes.get("kernel_shape", ()))
        work = Work.of(sum(read) + 4 * written, **kind, taps=taps)
        self._works.append(work)
        if products:
            self._int8_saved += 3 * written
            moved = sum(prod(t.shape) for t in inputs[:2]) + sum(read[2:]) + written
            work = Work.of(moved, **kind, taps=taps)
        self._int8_works.append(work)

    def _values(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """Constants, then weights, which are drawn in the order in which they were written."""
        for name, fill in self._constants.items():
            yield name, fill()
        rng = np.random.default_rng(_SEED)
        for name, weight in self._weights.items():
            drawn = rng.standard_normal(weight.shape, dtype=np.float32)
            drawn *= np.float32(weight.deviation)
            drawn += np.float32(weight.mean)
            yield name, drawn


def total(parts: Iterable[Costs]) -> Costs:
    """Costs of the parts of a network together."""
    found = [*parts]
    works = [part.work for part in found if part.work is not None]
    int8 = [part.int8 for part in found if part.int8 is not None]
    return Costs(
        sum(part.flops for part in found),
        sum(part.parameters for part in found),
        sum(part.activation_bytes for part in found),
        Work.total(works) if len(works) == len(found) else None,
        total(int8) if found and len(int8) == len(found) else None,
    )


def check_batch(batch: int) -> None:
    """Raise OptionError for a batch that no network can take."""
    if not is_whole(batch) or batch < 1:
        raise OptionError(f"batch must be a whole number from 1, but is {batch}; give 1 or more")


def is_whole(value: object) -> bool:
    """Whether it is a whole number, NumPy's included; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
