"""Some nodes of an ONNX model in int8: pairs of QuantizeLinear and DequantizeLinear around them.

Runtimes fuse the pairs into kernels of int8 (QDQ; Jacob et al., CVPR 2018, and the specification of
integer quantisation by Wu et al., arXiv 2004.09602): weights are symmetric int8 with a scale per
channel of the result, activations uint8 with a scale and a zero point per tensor, biases int32.
Where two activations are multiplied they are symmetric int8, shares of a softmax apart, which have
no negative ones: OpenVINO multiplies them in int8 only without zero points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from math import frexp, ldexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import ModelError
from hwprof.models.onnx.spreads import Spread, spreads

PRODUCTS = ("Conv", "Gemm", "MatMul")
"""Operators that can be in int8."""
# Standard deviations to either side: beyond them lie two in a thousand million of a normal tensor.
_DEVIATIONS = 6.0
_FIRST_BITS = 16


def quantise(model: Any, names: Collection[str]) -> None:
    """Put those nodes of an `onnx.ModelProto` of opset 13 or later that are `PRODUCTS` in int8.

    What they read and write is quantised with ranges by `spreads`, six standard deviations to
    either side of the mean: no run calibrates them, since weights are random, and nothing of a
    processor shows in the result. A batch normalisation behind a convolution is folded into its
    weights, and what is written behind a Relu is quantised after it. Nodes keep their names; new
    ones are called by them. Raises ModelError for a tensor whose range cannot be told.
    """
    chosen = {n.name for n in model.graph.node if n.name in names and n.op_type in PRODUCTS}
    if chosen:
        _Rewriting(model, chosen).run()


@dataclass(frozen=True, slots=True)
class _Scale:
    """`value = scale (stored - zero)`, and the names of scale and zero."""

    scale: np.float32
    names: tuple[str, str]


@dataclass(slots=True)
class _Rewriting:
    """One model being rewritten."""

    model: Any
    chosen: set[str]
    spread: dict[str, Spread] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    """What replaces initialisers, and new ones."""
    nodes: list[Any] = field(default_factory=list)
    scales: dict[tuple[str, str], _Scale] = field(default_factory=dict)
    """By tensor and type."""
    quantised: dict[str, str] = field(default_factory=dict)
    """By tensor, what holds it after it was quantised to uint8 and dequantised."""
    stored: dict[str, str] = field(default_factory=dict)
    """Tensors that are quantised as soon as they are written, to uint8, and the int8 node behind
    them."""
    readers: Counter[str] = field(default_factory=Counter)
    """How many read a tensor as int8."""
    joined: set[str] = field(default_factory=set)
    """What Concat wrote."""

    def run(self) -> None:
        from onnx import numpy_helper

        graph = self.model.graph
        self.spread = spreads(self.model)
        self.joined = {o for n in graph.node if n.op_type == "Concat" for o in n.output}
        before = {t.name: t for t in graph.initializer}
        for node in self._folded(before):
            self._write(node, before)
        del graph.node[:]
        graph.node.extend(self.nodes)
        read = {name for node in graph.node for name in node.input}
        initialisers = [t for t in before.values() if t.name in read and t.name not in self.arrays]
        initialisers += [
            numpy_helper.from_array(values, name)
            for name, values in self.arrays.items()
            if name in read
        ]
        del graph.initializer[:]
        graph.initializer.extend(initialisers)

    def _folded(self, known: dict[str, Any]) -> list[Any]:
        """The nodes without normalisations that were folded; notes what is to be stored."""
        graph = self.model.graph
        uses = Counter(name for node in graph.node for name in node.input)
        uses.update(value.name for value in graph.output)
        after = {name: node for node in graph.node for name in node.input if uses[name] == 1}
        gone = set()
        for node in graph.node:
            if node.name not in self.chosen:
                continue
            norm = after.get(node.output[0])
            foldable = node.op_type == "Conv" and node.input[1] in known
            if foldable and norm is not None and norm.op_type == "BatchNormalization":
                self._fold(node, known, norm)
                node.output[0] = norm.output[0]
                gone.add(norm.name)
            relu = after.get(node.output[0])
            behind = relu if relu is not None and relu.op_type == "Relu" else node
            self.stored[behind.output[0]] = node.name
        return [node for node in graph.node if node.name not in gone]

    def _fold(self, conv: Any, known: dict[str, Any], norm: Any) -> None:
        from onnx import numpy_helper

        scale, shift, mean, variance = (numpy_helper.to_array(known[n]) for n in norm.input[1:])
        epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5)
        factor = (scale / np.sqrt(variance + np.float32(epsilon))).astype(np.float32)
        weight = numpy_helper.to_array(known[conv.input[1]])
        old = numpy_helper.to_array(known[conv.input[2]]) if len(conv.input) > 2 else np.float32(0)
        bias = f"{conv.input[1]}.folded_bias"
        self.arrays[bias] = (shift + (old - mean) * factor).astype(np.float32)
        shape = (-1, *[1] * (weight.ndim - 1))
        self.arrays[conv.input[1]] = (weight * factor.reshape(shape)).astype(np.float32)
        del conv.input[2:]
        conv.input.append(bias)

    def _write(self, node: Any, before: dict[str, Any]) -> None:
        """One node with what goes before and behind it."""
        from onnx import numpy_helper

        if node.name in self.chosen:
            scales: list[Any] = []
            for place, name in enumerate([*node.input][:2]):
                values = self.arrays.get(name)
                if values is None and name in before:
                    values = numpy_helper.to_array(before[name])
                if values is None:
                    kind = "uint8" if name in self.stored else self._kind(node, place, before)
                    node.input[place], unit = self._dequantised(name, node.name, kind)
                    scales.append(unit)
                else:
                    node.input[place], scale = self._weight(node, name, values, place)
                    scales.append(scale)
            if len(node.input) > 2 and node.input[2]:
                bias = node.input[2]
                values = self.arrays.get(bias)
                values = numpy_helper.to_array(before[bias]) if values is None else values
                node.input[2] = self._bias(node, bias, values, scales[0] * scales[1])
        self.nodes.append(node)
        for place, name in enumerate(node.output):
            if name in self.stored:
                node.output[place] = f"{name}.unrounded"
                pair = self._scale(name, "uint8")
                self._pair(f"{name}.unrounded", name, pair, self.stored[name])
                self.quantised[name] = name

    def _kind(self, node: Any, place: int, before: dict[str, Any]) -> str:
        """What an activation is stored as."""
        if node.op_type == "Conv":
            return "uint8"
        if node.input[1] in before:
            # OpenVINO 2026.4 fails at zero points of tokens that were joined.
            return "int8" if node.input[place] in self.joined else "uint8"
        low, _ = self._range(node.input[place])
        return "int8" if place or low < 0 else "uint8"

    def _dequantised(self, name: str, node: str, kind: str) -> tuple[str, np.float32]:
        """The tensor after it was quantised and dequantised, and its scale."""
        if name in self.quantised:
            return self.quantised[name], self._scale(name, "uint8").scale
        target = f"{name}.rounded_{len(self.nodes)}"
        reader = 0
        if kind == "uint8":
            self.quantised[name] = target  # once for all that read it
        else:
            # ONNX Runtime turns pairs of int8 into pairs of uint8 for x86, but only those of which
            # one operator reads the result, and it takes equal pairs for one.
            reader = self.readers[name]
            self.readers[name] += 1
        scale = self._scale(name, kind, reader)
        self._pair(name, target, scale, f"{node}.{len(self.nodes)}")
        return target, scale.scale

    def _pair(self, source: str, target: str, scale: _Scale, name: str) -> None:
        self._node("QuantizeLinear", name, [source, *scale.names], f"{target}.stored")
        self._node("DequantizeLinear", name, [f"{target}.stored", *scale.names], target)

    def _scale(self, name: str, kind: str, reader: int = 0) -> _Scale:
        key = name, f"{kind}_{reader}" if reader else kind
        if key not in self.scales:
            low, high = self._range(name)
            if kind == "int8":
                low, high = -max(-low, high), max(-low, high)
            wider = 1 + reader / _FIRST_BITS
            scale = np.float32(_rounded(wider * (high - low) / 255 or 1.0))
            zero = 0 if kind == "int8" else int(np.clip(round(-low / float(scale)), 0, 255))
            names = f"{name}.scale_{key[1]}", f"{name}.zero_{key[1]}"
            self.arrays[names[0]] = np.array(scale, dtype=np.float32)
            self.arrays[names[1]] = np.array(zero, dtype=kind)
            self.scales[key] = _Scale(scale, names)
        return self.scales[key]

    def _range(self, name: str) -> tuple[float, float]:
        """Between what an activation is stored, 0 among it."""
        spread = self.spread.get(name)
        if spread is None:
            raise ModelError(
                f"the range of '{name}' cannot be told, for an operator before it is not known; "
                "leave the layer that reads it in fp32"
            )
        low, high = spread.range(_DEVIATIONS)
        return min(low, 0.0), max(high, 0.0)

    def _weight(
        self, node: Any, name: str, values: NDArray[Any], place: int
    ) -> tuple[str, NDArray[np.float32]]:
        """An initialiser in int8, a scale per channel of the result."""
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        axis = 0 if node.op_type == "Conv" or transposed else values.ndim - 1
        others = tuple(i for i in range(values.ndim) if i != axis)
        largest = np.abs(values).max(axis=others).astype(np.float32)
        scale = np.where(largest > 0, largest / np.float32(127), np.float32(1)).astype(np.float32)
        shape = [1] * values.ndim
        shape[axis] = -1
        stored = np.clip(np.rint(values / scale.reshape(shape)), -127, 127).astype(np.int8)
        self.arrays[f"{name}.int8"] = stored
        return self._constant(node, name, f"{name}.int8", scale, axis, np.int8), scale

    def _bias(self, node: Any, name: str, values: NDArray[Any], scale: NDArray[Any]) -> str:
        """A bias in int32, in units of the products."""
        self.arrays[f"{name}.int32"] = np.rint(values / scale).astype(np.int32)
        return self._constant(node, name, f"{name}.int32", scale.astype(np.float32), 0, np.int32)

    def _constant(
        self, node: Any, name: str, stored: str, scale: NDArray[Any], axis: int, kind: type
    ) -> str:
        self.arrays[f"{name}.scale"] = scale
        self.arrays[f"{name}.zero"] = np.zeros(scale.shape, dtype=kind)
        inputs = [stored, f"{name}.scale", f"{name}.zero"]
        self._node("DequantizeLinear", f"{node.name}.{name}", inputs, f"{name}.real", axis=axis)
        return f"{name}.real"

    def _node(self, op: str, name: str, inputs: list[str], output: str, **attributes: Any) -> None:
        from onnx import helper

        name = f"{name}.{op}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))


def _rounded(value: float) -> float:
    """Up to a number of few bits: how some library rounds a sum is not to be seen in a model."""
    fraction, exponent = frexp(value)
    return ldexp(-(-fraction * _FIRST_BITS // 1) / _FIRST_BITS, exponent)
