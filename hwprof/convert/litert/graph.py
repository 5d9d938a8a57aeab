"""An ONNX graph as the conversion reads it: attributes decoded, constants and shapes worked out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import TypeProto, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from hwprof.convert.litert.emitter import UnsupportedError
from hwprof.models.bounded import bounded_memory
from hwprof.models.onnx.elements import onnx_dtype
from hwprof.models.onnx.graph import OWN_DOMAINS, RANDOM, node_names, opset_of, reads

# Elements of a constant that shapes may depend on: target shapes, axes, pads, scales.
_TELLING = 1024
# What a constant may take that is computed beforehand, beside what it is computed from.
_ROOM_BYTES = 1 << 30
# What computes with channels last, by its first input; an input of the model is made to suit them.
SPATIAL = frozenset(
    {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"}
    | {"BatchNormalization", "InstanceNormalization", "LRN", "Resize", "Upsample"}
    | {"DepthToSpace", "SpaceToDepth"}
)
# What computes in any order of dimensions.
ANY_ORDER = frozenset(
    {"Add", "Sub", "Mul", "Div", "Sum", "Relu", "Clip", "Sigmoid", "Tanh", "HardSwish", "Pad"}
    | {"HardSigmoid", "LeakyRelu", "PRelu", "Elu", "Concat", "Identity", "Dropout", "Cast"}
)


@dataclass(frozen=True, slots=True)
class Node:
    """One node; inputs that are left out and outputs that nobody needs are ""."""

    index: int
    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int
    proto: onnx.NodeProto

    def input(self, position: int) -> str:
        """The name of an input, "" where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else ""

    def integer(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        return int(self.attributes.get(name, default))

    def number(self, name: str, default: float) -> float:
        """An attribute that is a number."""
        return float(self.attributes.get(name, default))

    def text(self, name: str, default: str) -> str:
        """An attribute that is a text."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)

    def integers(self, name: str, default: Sequence[int]) -> list[int]:
        """An attribute that is a list of whole numbers."""
        return [int(value) for value in self.attributes.get(name, default)]


class Graph:
    """The nodes that an output needs, in order, and who reads what."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self._imports = list(model.opset_import)
        self._ir_version = model.ir_version
        opset = opset_of(model) or 1
        self.outputs = [output.name for output in graph.output]
        self.nodes = [
            Node(
                index,
                name,
                _operator(proto),
                tuple(proto.input),
                tuple(proto.output),
                {a.name: helper.get_attribute_value(a) for a in proto.attribute},
                opset,
                proto,
            )
            for index, (proto, name) in enumerate(zip(graph.node, node_names(graph), strict=True))
        ]
        self._drop_unneeded()
        self._readers: dict[str, list[Node]] = {}
        self._maker: dict[str, Node] = {}
        for node in self.nodes:
            for name in reads(node.proto):
                self._readers.setdefault(name, []).append(node)
            self._maker.update((name, node) for name in node.outputs if name)

    def _drop_unneeded(self) -> None:
        needed, kept = set(self.outputs), []
        for node in reversed(self.nodes):
            wanted = tuple(name if name in needed else "" for name in node.outputs)
            if any(wanted):
                needed.update(reads(node.proto))
                kept.append(replace(node, outputs=wanted))
        self.nodes = kept[::-1]

    def maker(self, name: str) -> Node | None:
        """The node that writes a tensor."""
        return self._maker.get(name)

    def sole_reader(self, name: str) -> Node | None:
        """The one node that reads a tensor, if it is one and the tensor is no output."""
        readers = self._readers.get(name, [])
        alone = len(readers) == 1 and list(readers[0].inputs).count(name) == 1
        return readers[0] if alone and name not in self.outputs else None

    def prefers_last(self) -> frozenset[str]:
        """Tensors whose readers compute with channels last."""
        found: set[str] = set()
        for node in reversed(self.nodes):
            if node.op in SPATIAL:
                found.add(node.input(0))
            elif node.op in ANY_ORDER and not found.isdisjoint(node.outputs):
                found.update(node.inputs)
        return frozenset(found)

    def constants(self, node: Node, known: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of a node that follows from constants alone; empty for another node."""
        read = reads(node.proto)
        if node.op in RANDOM or not all(name in known for name in read):
            return {}
        names = [name for name in node.outputs if name]
        graph = helper.make_graph(
            [node.proto],
            "constant",
            [],
            [helper.make_empty_tensor_value_info(name) for name in names],
            [numpy_helper.from_array(known[name], name) for name in read],
        )
        model = helper.make_model(graph, opset_imports=self._imports, ir_version=self._ir_version)
        try:
            with bounded_memory(_ROOM_BYTES + 8 * sum(known[name].nbytes for name in read)):
                values = ReferenceEvaluator(model).run(None, {})
        except Exception as error:  # each operator's own code raises what it likes
            raise UnsupportedError(f"cannot be computed beforehand ({error})") from error
        return {n: np.asarray(v) for n, v in zip(names, values, strict=True)}

    def output_types(
        self,
        node: Node,
        types: Mapping[str, tuple[str, tuple[int, ...]]],
        known: Mapping[str, np.ndarray],
    ) -> dict[str, tuple[str, tuple[int, ...]]]:
        """NumPy's type name and the shape of each output, by ONNX's own shape inference."""
        proto = node.proto
        if not onnx.defs.has(proto.op_type, proto.domain):
            raise UnsupportedError("is no operator of ONNX")
        schema = onnx.defs.get_schema(proto.op_type, node.opset, proto.domain)
        given = {name: _type(*types[name]) for name in node.inputs if name}
        data = {
            name: numpy_helper.from_array(known[name], name)
            for name in node.inputs
            if name in known and known[name].size <= _TELLING
        }
        try:
            found = shape_inference.infer_node_outputs(
                schema, proto, given, data, opset_imports=self._imports, ir_version=self._ir_version
            )
        except (RuntimeError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise UnsupportedError(f"does not fit its inputs ({first.rstrip('.')})") from error
        return {name: _decided(found.get(name)) for name in node.outputs if name}


def _operator(proto: onnx.NodeProto) -> str:
    own = proto.domain in OWN_DOMAINS
    return proto.op_type if own else f"{proto.domain}:{proto.op_type}"


def _type(dtype: str, shape: tuple[int, ...]) -> TypeProto:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_type_proto(kind, shape)


def _decided(found: TypeProto | None) -> tuple[str, tuple[int, ...]]:
    if found is None or not found.HasField("tensor_type"):
        raise UnsupportedError("gives what is not a tensor")
    tensor = found.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
    if not tensor.HasField("shape") or None in dims:
        raise UnsupportedError("gives a tensor whose shape the values of its inputs decide")
    return onnx_dtype(tensor.elem_type), tuple(d for d in dims if d is not None)
