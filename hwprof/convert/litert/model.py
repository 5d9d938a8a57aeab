"""The walk over a graph: node by node, in the file's order, each by its writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from hwprof.convert.litert.conversion import Conversion
from hwprof.convert.litert.emitter import (
    Emitter,
    Order,
    UnsupportedError,
    Written,
    channels_last,
    plain,
    refusal,
)
from hwprof.convert.litert.flatbuffer import ModelWriter
from hwprof.convert.litert.graph import Graph, Node
from hwprof.convert.litert.ops.elementwise import gelu
from hwprof.convert.litert.ops.table import WRITERS
from hwprof.convert.litert.patterns import Gelu, find_gelus
from hwprof.errors import MeasurementError, ModelError, one_line
from hwprof.graph import TensorSpec
from hwprof.models.onnx.file import read_with_weights
from hwprof.models.onnx.graph import IDLE


@dataclass(frozen=True, slots=True)
class Border:
    """An input or output: dimension `i` of the LiteRT tensor is `order[i]` of the ONNX one."""

    name: str
    order: Order


@dataclass(frozen=True, slots=True)
class LiteRtModel:
    """A LiteRT model file and how it relates to the ONNX model it was made of.

    Images enter and leave with the channels last, as LiteRT models take them: no transpose at the
    border is part of the model.
    """

    path: Path
    inputs: tuple[Border, ...]
    outputs: tuple[Border, ...]
    operators: tuple[Written, ...]
    uncovered: tuple[str, ...]
    """Nodes with work to do that no operator stands for."""


def to_litert(source: Path, inputs: Sequence[TensorSpec], target: Path) -> LiteRtModel:
    """Write the ONNX model `source`, its inputs fixed to `inputs`, as a LiteRT model to `target`.

    Raises ModelError when the file cannot be read, or naming the operator that has no counterpart;
    MeasurementError when the target cannot be written.
    """
    walk = _Walk(read_with_weights(source), inputs, source.name)
    walk.run()
    try:
        return walk.write(target)
    except OSError as error:
        raise MeasurementError(
            f"the converted model could not be written to '{target.parent}' ({error.strerror}); "
            "free some space in the temporary folder"
        ) from error


class _Walk:
    """One walk over a graph."""

    def __init__(self, model: onnx.ModelProto, inputs: Sequence[TensorSpec], name: str) -> None:
        self._name = name
        self._inputs = inputs
        self._graph = Graph(model)
        self._writer = ModelWriter()
        self._emit = Emitter(self._writer, self._graph.prefers_last())
        self._state = Conversion(self._emit, self._graph)
        for tensor in model.graph.initializer:
            self._emit.constants[tensor.name] = numpy_helper.to_array(tensor)
        if model.graph.sparse_initializer:
            raise refusal("SparseTensor", "holds sparse weights", name)

    def run(self) -> None:
        """Write every node."""
        try:
            for spec in self._inputs:
                self._emit.declare(spec.name, spec.dtype, spec.shape)
        except UnsupportedError as error:
            raise ModelError(f"'{self._name}' {error}; export it with float32 inputs") from error
        self._fold()
        gelus = find_gelus(self._graph, self._emit.constants)
        members = {node.index for match in gelus.values() for node in match.nodes}
        for node in self._graph.nodes:
            try:
                if node.index in gelus:
                    self._gelu(gelus[node.index])
                elif node.index not in members and node.index not in self._state.absorbed:
                    self._node(node)
            except UnsupportedError as error:
                raise refusal(node.op, str(error), self._name) from error
            # Attributes and constants that contradict one another, which ONNX does not check.
            except (ValueError, TypeError, LookupError) as error:
                reason = f"has a form that is not known here ({one_line(error)})"
                raise refusal(node.op, reason, self._name) from error

    def _fold(self) -> None:
        """Compute beforehand what follows from constants alone, so that patterns see it."""
        known = self._emit.constants
        for node in self._graph.nodes:
            try:
                known.update(self._graph.constants(node, known))
            except UnsupportedError as error:
                raise refusal(node.op, str(error), self._name) from error

    def _node(self, node: Node) -> None:
        known = self._emit.constants
        if all(name in known for name in node.outputs if name):
            return
        folded = self._graph.constants(node, known)
        if folded:
            known.update(folded)
            return
        if node.op in ("Shape", "Size"):
            known[node.outputs[0]] = _shape(node, self._emit.shape(node.inputs[0]))
            return
        writer = WRITERS.get(node.op)
        if writer is None:
            raise UnsupportedError("has no counterpart there")
        types = {
            name: (self._emit.dtype(name), self._emit.shape(name)) for name in node.inputs if name
        }
        for name, found in self._graph.output_types(node, types, known).items():
            self._emit.declare(name, *found)
        before = set(self._state.absorbed)
        self._emit.begin()
        writer(self._state, node)
        taken = [n for i, n in self._state.absorbed.items() if i not in before]
        self._emit.finish((node.name, *taken))

    def _gelu(self, match: Gelu) -> None:
        emit = self._emit
        emit.declare(match.output, emit.dtype(match.input), emit.shape(match.input))
        first = match.nodes[0]
        whole = Node(
            first.index, first.name, "Gelu", (match.input,), (match.output,), {}, 20, first.proto
        )
        emit.begin()
        gelu(self._state, whole)
        emit.finish(tuple(node.name for node in match.nodes))

    def write(self, target: Path) -> LiteRtModel:
        """Write the file; the model's outputs in the order that it declares."""
        emit = self._emit
        borders, numbers = [], []
        for name in self._graph.outputs:
            if name in emit.constants or name not in emit.values:
                raise refusal("Constant", f"alone decides the output '{name}'", self._name)
            value = emit.values[name]
            rank = len(value.shape)
            order = emit.order(name)
            # Channels last is how images leave; any other order is work that the model asks for.
            if value.waiting or order != channels_last(rank):
                order = plain(rank)
            numbers.append(emit.read(name, order))
            borders.append(Border(name, order))
        entries = []
        for spec in self._inputs:
            value = emit.values[spec.name]
            entries.append(Border(spec.name, emit.order(spec.name)))
            if not value.places:  # nobody reads it, yet the caller hands it in
                emit.place(spec.name, emit.order(spec.name))
        self._writer.write(target, [emit.values[s.name].places[b.order] for s, b in
                                    zip(self._inputs, entries, strict=True)], numbers)  # fmt: skip
        return LiteRtModel(
            target, tuple(entries), tuple(borders), tuple(emit.operators), self._uncovered()
        )

    def _uncovered(self) -> tuple[str, ...]:
        covered = {name for operator in self._emit.operators for name in operator.sources}
        return tuple(
            node.name
            for node in self._graph.nodes
            if node.name not in covered
            and node.op not in IDLE
            and node.op != "Transpose"  # renamed dimensions, unless an operator stands for it
            and not all(name in self._emit.constants for name in node.outputs if name)
        )


def _shape(node: Node, shape: tuple[int, ...]) -> np.ndarray:
    """What a Shape or Size node gives."""
    if node.op == "Size":
        return np.array(int(np.prod(shape)), np.int64)
    return np.array(shape[node.integer("start", 0) : node.attributes.get("end")], np.int64)
