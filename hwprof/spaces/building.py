"""Networks of convolutions, written down once: counted, or rendered as ONNX.

Shapes: batch b, channels c, height h and width w of an image. All tensors are float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from hwprof.errors import OptionError
from hwprof.opcosts import known_operators
from hwprof.opcosts.operations import PER_ELEMENT, VIEWS
from hwprof.spaces.base import Costs

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]

# HardSwish came with opset 14; IR 8 goes with opset 17 and every runtime of today reads it.
_OPSET, _IR = 17, 8
_SEED = 0
# Not learned: statistics, factors and target shapes. Their names begin with it.
CONSTANT = "constant."


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


class Network:
    """A network being written down, node by node, its costs counted on the way.

    Counting follows `hwprof.opcosts`. A scope is the name of a layer, such as `stage1.cell2.stem`;
    a scope takes weights once.
    """

    def __init__(self) -> None:
        self._nodes: list[tuple[str, list[str], Tensor, dict[str, Any]]] = []
        self._weights: dict[str, _Weight] = {}
        self._constants: dict[str, tuple[Shape, str, list[float]]] = {}
        self._inputs: list[Tensor] = []
        self._flops = 0
        self._activation_bytes = 0

    @property
    def costs(self) -> Costs:
        """What was written down so far. The input and views are no activations."""
        learned = sum(prod(weight.shape) for weight in self._weights.values())
        return Costs(self._flops, learned, self._activation_bytes)

    def image(self, batch: int, side: int) -> Tensor:
        """The input, square images of three colours, `[b, 3, side, side]`."""
        self._inputs.append(Tensor("image", (batch, 3, side, side)))
        return self._inputs[-1]

    def weight(self, name: str, *shape: int, mean: float = 0.0, deviation: float = 0.02) -> Tensor:
        """A learned tensor, normally distributed."""
        if name in self._weights:
            raise ValueError(f"the network has two weights {name}")
        self._weights[name] = _Weight(shape, mean, deviation)
        return Tensor(name, shape)

    def constant(
        self, name: str, values: Sequence[float], *shape: int, dtype: str = "float32"
    ) -> Tensor:
        """A tensor that is not learned, spread over its shape; the same for the same name."""
        name = CONSTANT + name
        self._constants[name] = (shape, dtype, list(values))
        return Tensor(name, shape)

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
        if ("", op) not in known_operators():
            raise ValueError(f"hwprof.opcosts does not count {op}")
        out = Tensor(f"{scope}.{op}_{len(self._nodes)}", shape)
        self._nodes.append((op, [t.name for t in inputs], out, attributes))
        other = PER_ELEMENT.get(op, 0) if each is None else each
        self._flops += (2 * inner + other) * prod(shape)
        if ("", op) not in VIEWS:
            self._activation_bytes += 4 * prod(shape)
        return out

    def conv(
        self,
        scope: str,
        x: Tensor,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> Tensor:
        """A convolution with an odd kernel, padded so that a stride of 1 keeps the side."""
        batch, before, *sides = x.shape
        inner = before // groups * kernel**2
        tensors = [x, self._he(scope, channels, before // groups, kernel, kernel, inner=inner)]
        if bias:
            tensors.append(self.weight(f"{scope}.bias", channels))
        shape = (batch, channels, *((side - 1) // stride + 1 for side in sides))
        return self.node(
            "Conv",
            scope,
            tensors,
            shape,
            inner,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[kernel // 2] * 4,
            group=groups,
        )

    def batch_norm(self, scope: str, x: Tensor) -> Tensor:
        """Normalisation of channels by statistics of the training (Ioffe & Szegedy, 2015)."""
        channels = x.shape[1]
        tensors = [
            x,
            self.weight(f"{scope}.scale", channels, mean=1.0),
            self.weight(f"{scope}.shift", channels),
            self.constant(f"mean{channels}", [0.0], channels),
            self.constant(f"variance{channels}", [1.0], channels),
        ]
        return self.node("BatchNormalization", scope, tensors, x.shape, epsilon=1e-5)

    def conv_norm(
        self,
        scope: str,
        x: Tensor,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: str | None = None,
    ) -> Tensor:
        """Convolution, normalisation and, where one is named, activation."""
        x = self.batch_norm(scope, self.conv(scope, x, channels, kernel, stride, groups))
        return x if activation is None else self.activate(activation, scope, x)

    def activate(self, op: str, scope: str, x: Tensor) -> Tensor:
        """Relu, HardSwish or another operator on each element; HardSigmoid is relu6(x + 3) / 6."""
        attributes: dict[str, Any] = {}
        if op == "HardSigmoid":
            attributes = {"alpha": 1 / 6, "beta": 0.5}
        return self.node(op, scope, [x], x.shape, **attributes)

    def pool(
        self,
        op: str,
        scope: str,
        x: Tensor,
        kernel: int,
        stride: int,
        padding: int = 0,
        ceil: bool = False,
    ) -> Tensor:
        """AveragePool (padding does not count) or MaxPool. `ceil` keeps windows that stick out."""
        spare = stride - 1 if ceil else 0
        sides = ((side + 2 * padding - kernel + spare) // stride + 1 for side in x.shape[2:])
        return self.node(
            op,
            scope,
            [x],
            (*x.shape[:2], *sides),
            each=kernel**2,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[padding] * 4,
            ceil_mode=int(ceil),
        )

    def global_pool(self, scope: str, x: Tensor) -> Tensor:
        """Mean over the image, `[b, c, 1, 1]`."""
        each = prod(x.shape[2:])
        return self.node("GlobalAveragePool", scope, [x], (*x.shape[:2], 1, 1), each=each)

    def linear(self, scope: str, x: Tensor, width: int) -> Tensor:
        """A linear layer with a bias of everything per image, `[b, ...] -> [b, width]`."""
        inner = prod(x.shape[1:])
        flat = self.node("Flatten", scope, [x], (x.shape[0], inner), axis=1)
        weight = self._he(scope, width, inner, inner=2 * inner)
        bias = self.weight(f"{scope}.bias", width)
        shape = (x.shape[0], width)
        return self.node("Gemm", scope, [flat, weight, bias], shape, inner, transB=1)

    def add(self, scope: str, x: Tensor, y: Tensor) -> Tensor:
        """Sum of two tensors of one shape."""
        return self.node("Add", scope, [x, y], x.shape)

    def multiply(self, scope: str, x: Tensor, y: Tensor) -> Tensor:
        """Product in the shape of x, over which y is spread."""
        return self.node("Mul", scope, [x, y], x.shape)

    def shuffle(self, scope: str, x: Tensor, groups: int) -> Tensor:
        """Channels of the groups in turn (Zhang et al., ShuffleNet, CVPR 2018)."""
        batch, channels, *sides = x.shape
        y = self.reshape(scope, x, batch, groups, channels // groups, *sides)
        turned = (batch, channels // groups, groups, *sides)
        y = self.node("Transpose", scope, [y], turned, perm=[0, 2, 1, 3, 4])
        return self.reshape(scope, y, *x.shape)

    def reshape(self, scope: str, x: Tensor, *shape: int) -> Tensor:
        """The same elements under another shape."""
        name = "x".join(str(size) for size in shape)
        target = self.constant(f"shape{name}", shape, len(shape), dtype="int64")
        return self.node("Reshape", scope, [x, target], shape)

    def model(self, name: str, result: Tensor) -> onnx.ModelProto:
        """The network as ONNX; `result` leaves it as `logits`. Weights are random, but fixed."""
        from onnx import TensorProto, helper, numpy_helper

        nodes = [
            helper.make_node(
                op,
                inputs,
                ["logits" if out.name == result.name else out.name],
                name=out.name,
                **attributes,
            )
            for op, inputs, out, attributes in self._nodes
        ]
        rng = np.random.default_rng(_SEED)
        tensors = [
            numpy_helper.from_array(np.resize(np.array(values, dtype=dtype), shape), constant)
            for constant, (shape, dtype, values) in self._constants.items()
        ]
        for weight, form in self._weights.items():
            drawn = rng.standard_normal(form.shape, dtype=np.float32)
            drawn *= np.float32(form.deviation)
            drawn += np.float32(form.mean)
            tensors.append(numpy_helper.from_array(drawn, weight))
        inputs, outputs = (
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in ends]
            for ends in ([(t.name, t.shape) for t in self._inputs], [("logits", result.shape)])
        )
        return helper.make_model(
            helper.make_graph(nodes, name, inputs, outputs, tensors),
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR,
            producer_name="hwprof",
        )

    def _he(self, scope: str, *shape: int, inner: int) -> Tensor:
        """Weights that keep the size of what passes them and a ReLU (He et al., 2015)."""
        return self.weight(f"{scope}.weight", *shape, deviation=sqrt(2 / inner))


def total(parts: Iterable[Costs]) -> Costs:
    """Costs of the parts of a network together."""
    each = ((part.flops, part.parameters, part.activation_bytes) for part in parts)
    return Costs(*(sum(column) for column in zip(*each, strict=True)))


def divisible(value: float) -> int:
    """Channels rounded to a multiple of 8, but not down by more than a tenth (Sandler, 2018)."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def check_image(space: str, batch: int, side: int, least: int, step: int = 1) -> None:
    """Raise OptionError for a batch or a side of the image that a network cannot take."""
    if not _whole(batch) or batch < 1:
        raise OptionError(f"batch must be a whole number from 1, but is {batch}; give 1 or more")
    if not _whole(side) or side < least or side % step:
        kind = f"a multiple of {step}" if step > 1 else "a whole number"
        raise OptionError(
            f"resolution of {space} is the side of the image, {kind} from {least}, but is {side}; "
            "give another"
        )


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
