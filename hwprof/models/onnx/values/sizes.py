"""Shapes and constants of a model's tensors, as far as they can be told without running it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hwprof.graph import TensorSpec
from hwprof.models.onnx.values.flat import CHOOSE, MERGE, FlatModel, Operation

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto, TypeProto, ValueInfoProto

LARGEST_CONSTANT = 4096
"""Elements of the largest constant that is looked into."""

_SAME_SHAPE = frozenset(
    {"Identity", "Cast", "Relu", "Sigmoid", "Tanh", "Abs", "Neg", "Not", "Floor", "Ceil", "Dropout"}
)
_CONSTANTS = ("value_int", "value_ints", "value_float", "value_floats")


class Sizes:
    """Shapes by a tensor's unique name; None where they cannot be told."""

    def __init__(self, model: FlatModel, inputs: Sequence[TensorSpec]) -> None:
        self.model = model
        self.inputs = {spec.name: spec for spec in inputs}
        self._declared: dict[str, tuple[int, ...]] | None = None
        self._inferred: dict[str, tuple[int, ...]] | None = None
        self._constants: dict[str, np.ndarray | None] = {}

    def shape(self, name: str, depth: int = 0) -> tuple[int, ...] | None:
        if not name:
            return None
        if name in self.inputs:
            return self.inputs[name].shape
        if name in self.model.tensors:
            return tuple(self.model.tensors[name].dims)
        maker = self.model.makers.get(name)
        if maker is not None and depth < MAX_STEPS:
            if maker.kind == "Constant":
                value = self.constant(name)
                return None if value is None else value.shape
            if maker.kind in _SAME_SHAPE or maker.kind == MERGE:
                return self.shape(maker.read(0), depth + 1)
            if maker.kind == CHOOSE:
                return self.shape(maker.read(1), depth + 1)
        return self.declared(name) or self._infer().get(name)

    def elements(self, name: str) -> int | None:
        shape = self.shape(name)
        return None if shape is None else math.prod(shape)

    def declared(self, name: str) -> tuple[int, ...] | None:
        """The shape that the file states, where it states all of it."""
        if self._declared is None:
            graph = self.model.proto.graph
            stated = ((v.name, _stated(v.type)) for v in (*graph.value_info, *graph.output))
            self._declared = {each: shape for each, shape in stated if shape is not None}
        return self._declared.get(name)

    def constant(self, name: str, depth: int = 0) -> np.ndarray | None:
        """The elements of a constant that is not large and lies in the file itself."""
        if not name:
            return None
        if name not in self._constants:
            self._constants[name] = None  # for what comes back to itself
            self._constants[name] = self._read(name, depth) if depth < MAX_STEPS else None
        return self._constants[name]

    def _read(self, name: str, depth: int) -> np.ndarray | None:
        tensor = self.model.tensors.get(name)
        if tensor is not None:
            return _array(tensor)
        maker = self.model.makers.get(name)
        if maker is None:
            return None
        if maker.kind == "Constant":
            return _constant_of(maker)
        if maker.kind in ("Identity", "Cast", "Unsqueeze", "Squeeze"):
            # Exporters write scalars that way; only the numbers matter here.
            inner = self.constant(maker.read(0), depth + 1)
            if inner is not None and maker.kind in ("Unsqueeze", "Squeeze"):
                return inner.reshape(-1) if inner.size != 1 else inner
            return inner
        return None

    def _infer(self) -> dict[str, tuple[int, ...]]:
        """Shapes by ONNX's own inference, asked for only where the file says too little."""
        if self._inferred is None:
            self._inferred = _inferred(self.model, list(self.inputs.values()))
        return self._inferred


MAX_STEPS = 64


def _stated(kind: TypeProto) -> tuple[int, ...] | None:
    tensor = kind.tensor_type
    if not kind.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    dims = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]
    return None if any(d < 0 for d in dims) else tuple(dims)


def _array(tensor: TensorProto) -> np.ndarray | None:
    from onnx import TensorProto, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL or math.prod(tensor.dims) > LARGEST_CONSTANT:
        return None
    try:
        value = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError):  # damaged, or a type that NumPy has not
        return None
    return value if value.dtype.kind in "iubf" else None


def _constant_of(maker: Operation) -> np.ndarray | None:
    found = maker.attribute("value")
    if found is not None:
        return _array(found.t)
    for name in _CONSTANTS:
        found = maker.attribute(name)
        if found is not None:
            if name == "value_int":
                return np.array(found.i)
            if name == "value_float":
                return np.array(found.f, np.float32)
            return np.array(found.ints if name == "value_ints" else found.floats)
    return None


def _inferred(model: FlatModel, inputs: Sequence[TensorSpec]) -> dict[str, tuple[int, ...]]:
    """Shapes of the main graph's tensors."""
    from hwprof.models.onnx.infer import infer_shapes

    try:
        slim = infer_shapes(_slim(model, inputs))
    except Exception:  # whatever it dislikes about a model: then its shapes are not known
        return {}
    values = (*slim.graph.value_info, *slim.graph.output)
    stated = ((value.name, _stated(value.type)) for value in values)
    return {name: shape for name, shape in stated if shape is not None}


def _slim(model: FlatModel, inputs: Sequence[TensorSpec]) -> ModelProto:
    """The model with decided inputs, and large weights by their types and shapes alone."""
    import onnx

    proto, graph = model.proto, model.proto.graph
    slim = onnx.ModelProto(ir_version=max(proto.ir_version, 4))
    slim.opset_import.extend(proto.opset_import)
    slim.functions.extend(proto.functions)
    slim.graph.name = "slim"
    slim.graph.node.extend(graph.node)
    decided = {spec.name: spec.shape for spec in inputs}
    for value in graph.input:
        if value.name in decided:
            slim.graph.input.append(_with_shape(value, decided[value.name]))
    for tensor in graph.initializer:
        if math.prod(tensor.dims) <= 1024 and tensor.data_location != onnx.TensorProto.EXTERNAL:
            slim.graph.initializer.append(tensor)
        else:
            slim.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    for output in graph.output:
        slim.graph.output.append(onnx.ValueInfoProto(name=output.name))
    return slim


def _with_shape(value: ValueInfoProto, shape: tuple[int, ...]) -> ValueInfoProto:
    import onnx

    copy = onnx.ValueInfoProto()
    copy.CopyFrom(value)
    if copy.type.HasField("tensor_type"):
        del copy.type.tensor_type.shape.dim[:]
        for size in shape:
            copy.type.tensor_type.shape.dim.add().dim_value = size
    return copy
