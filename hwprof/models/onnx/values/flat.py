"""A model as one list of operations: what branches, loops and functions hold, under own names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hwprof.models.onnx.graph import OWN_DOMAINS, opset_of

if TYPE_CHECKING:
    from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto

MERGE = "~merge"
"""Hands on one of its inputs: what a loop carries, what a function returns."""
CHOOSE = "~choose"
"""Hands on its second input or a later one: the outputs of an If."""
STACK = "~stack"
"""What a loop writes in each step, all steps together."""
UNSTACK = "~unstack"
"""What a scan reads in one step."""

MAX_DEPTH = 16
MAX_OPERATIONS = 200_000
"""Functions that call one another can unfold without end: beyond this they stay closed."""

_NESTED = frozenset({"If", "Loop", "Scan", "SequenceMap"})
_SCAN_WITHOUT_BATCH = 9
"""Since this operator set a Scan takes no lengths as its first input."""

Names = Callable[[str], str]
Attributes = Mapping[str, "AttributeProto"]


@dataclass(slots=True, eq=False)
class Operation:
    """A node, wherever it stands; its tensors have names that are unique in the whole model."""

    kind: str
    """Its operator, with the domain before it where that is not ONNX's own."""
    reads: list[str]
    writes: list[str]
    node: NodeProto | None = None
    place: int = 0
    """Its index in its graph."""
    frame: Attributes = field(default_factory=dict)
    """Attributes of the function call that it stands in."""

    @property
    def label(self) -> str:
        """`If 'exit'`: what it is called in a sentence."""
        if self.node is None:
            return self.kind
        return f"{self.node.op_type} '{self.node.name or f'{self.node.op_type}_{self.place}'}'"

    def read(self, position: int) -> str:
        """Name of an input, "" where it is left out."""
        return self.reads[position] if position < len(self.reads) else ""

    def attribute(self, name: str) -> AttributeProto | None:
        for each in self.node.attribute if self.node is not None else ():
            if each.name == name:
                return self.frame.get(each.ref_attr_name) if each.ref_attr_name else each
        return None

    def whole(self, name: str, default: int) -> int:
        found = self.attribute(name)
        return default if found is None else int(found.i)

    def wholes(self, name: str) -> list[int] | None:
        found = self.attribute(name)
        return None if found is None else list(found.ints)

    def text(self, name: str, default: str) -> str:
        found = self.attribute(name)
        return default if found is None else found.s.decode("utf-8", "replace")


class FlatModel:
    """Every operation of a model in an order in which it could run.

    What a loop carries is read before it is written, once per loop: `cyclic` says so.
    """

    def __init__(self, proto: ModelProto) -> None:
        self.proto = proto
        self.opset = opset_of(proto)
        self.operations: list[Operation] = []
        self.tensors: dict[str, TensorProto] = {}
        self.makers: dict[str, Operation] = {}
        self.cyclic = False
        self._scopes = 0
        self._functions: dict[tuple[str, str, str], FunctionProto] = {
            (f.domain, f.name, f.overload): f for f in proto.functions
        }
        self._main(proto.graph)
        for operation in self.operations:
            for name in operation.writes:
                self.makers[name] = operation

    def _main(self, graph: GraphProto) -> None:
        for tensor in graph.initializer:
            self.tensors[tensor.name] = tensor
        self._nodes(graph.node, None, {}, 0)

    def _nodes(
        self, nodes: Iterable[NodeProto], names: Names | None, frame: Attributes, depth: int
    ) -> None:
        add, functions = self.operations.append, self._functions
        for place, node in enumerate(nodes):
            kind, domain = node.op_type, node.domain
            reads, writes = list(node.input), list(node.output)
            if names is not None:
                reads, writes = [*map(names, reads)], [*map(names, writes)]
            if domain not in OWN_DOMAINS:
                kind = f"{domain}.{kind}"
            operation = Operation(kind, reads, writes, node, place, frame)
            if kind in _NESTED:
                self._nested(operation, names, depth)
            elif functions and (domain, node.op_type, node.overload) in functions:
                function = functions[domain, node.op_type, node.overload]
                self._call(function, operation, depth)
            else:
                add(operation)

    def _full(self) -> bool:
        """Whether no more is unfolded. Bodies without operations count as well."""
        return len(self.operations) + self._scopes > MAX_OPERATIONS

    def _nested(self, operation: Operation, names: Names | None, depth: int) -> None:
        if depth >= MAX_DEPTH or self._full():
            self.operations.append(operation)
        elif operation.kind == "If":
            self._branches(operation, names, depth)
        elif operation.kind == "Loop":
            self._loop(operation, names, depth)
        else:
            self._scan(operation, names, depth)

    def _call(self, function: FunctionProto, call: Operation, depth: int) -> None:
        if depth >= MAX_DEPTH or self._full() or call.node is None:
            self.operations.append(call)
            return
        frame: dict[str, AttributeProto] = {a.name: a for a in function.attribute_proto}
        for each in call.node.attribute:
            found = call.frame.get(each.ref_attr_name) if each.ref_attr_name else each
            if found is not None:
                frame[each.name] = found
        bound = dict(zip(function.input, call.reads, strict=False))
        for name in list(function.input)[len(call.reads) :]:
            bound[name] = ""
        prefix = self._prefix()

        def inside(name: str) -> str:
            if name in bound:
                return str(bound[name])
            return f"{prefix}{name}" if name else ""

        self._nodes(function.node, inside, frame, depth + 1)
        for outer, name in zip(call.writes, function.output, strict=False):
            self._link(MERGE, [inside(name)], outer)

    def _prefix(self) -> str:
        self._scopes += 1
        return f"\0{self._scopes}\0"

    def _graph(
        self, graph: GraphProto, names: Names | None, frame: Attributes, depth: int
    ) -> Names:
        """Unfold a graph inside a node; returns how its tensors are called from now on."""
        inside = self._names(graph, names)
        self._nodes(graph.node, inside, frame, depth + 1)
        return inside

    def _names(self, graph: GraphProto, names: Names | None) -> Names:
        prefix = self._prefix()
        own = {t.name for t in graph.input} | {t.name for t in graph.initializer}
        for node in graph.node:
            own.update(node.output)
        own.discard("")
        for tensor in graph.initializer:
            self.tensors[f"{prefix}{tensor.name}"] = tensor

        def inside(name: str) -> str:
            if name in own:
                return f"{prefix}{name}"
            return name if names is None else names(name)

        return inside

    def _link(self, kind: str, reads: list[str], write: str) -> None:
        if write:
            self.operations.append(Operation(kind, reads, [write]))

    def _branches(self, node: Operation, names: Names | None, depth: int) -> None:
        self.operations.append(
            Operation("If", node.reads[:1], [], node.node, node.place, node.frame)
        )
        ends: list[list[str]] = []
        for name in ("then_branch", "else_branch"):
            attribute = node.attribute(name)
            if attribute is not None:
                inside = self._graph(attribute.g, names, node.frame, depth)
                ends.append([inside(each.name) for each in attribute.g.output])
        for position, write in enumerate(node.writes):
            results = [end[position] for end in ends if position < len(end)]
            self._link(CHOOSE, [node.read(0), *results], write)

    def _loop(self, node: Operation, names: Names | None, depth: int) -> None:
        attribute = node.attribute("body")
        if attribute is None:
            self.operations.append(node)
            return
        body = attribute.g
        inside = self._names(body, names)
        starts = [each.name for each in body.input][2:]
        ends = [inside(each.name) for each in body.output]
        self._carry(starts, node.reads[2:], ends[1:], inside)
        if len(body.input) > 1:
            self._link(MERGE, [node.read(1), *ends[:1]], inside(body.input[1].name))
        self._nodes(body.node, inside, node.frame, depth + 1)
        reads = [node.read(0), node.read(1), *ends[:1]]
        self.operations.append(Operation("Loop", reads, [], node.node, node.place, node.frame))
        self._results(node.writes, node.reads[2:], ends[1:], len(starts))

    def _scan(self, node: Operation, names: Names | None, depth: int) -> None:
        attribute = node.attribute("body")
        if attribute is None:
            self.operations.append(node)
            return
        body = attribute.g
        reads = list(node.reads)
        if node.kind == "Scan" and 0 < self.opset < _SCAN_WITHOUT_BATCH:
            reads = reads[1:]
        states = len(reads) - node.whole("num_scan_inputs", 0) if node.kind == "Scan" else 0
        inside = self._names(body, names)
        starts = [each.name for each in body.input]
        ends = [inside(each.name) for each in body.output]
        self._carry(starts[:states], reads[:states], ends, inside)
        for start, read in zip(starts[states:], reads[states:], strict=False):
            self._link(UNSTACK, [read], inside(start))
        self._nodes(body.node, inside, node.frame, depth + 1)
        self._results(node.writes, reads[:states], ends, states)

    def _carry(self, starts: list[str], given: list[str], ends: list[str], inside: Names) -> None:
        for start, read, end in zip(starts, given, ends, strict=False):
            self.cyclic = True
            self._link(MERGE, [read, end], inside(start))

    def _results(self, writes: list[str], given: list[str], ends: list[str], states: int) -> None:
        for position, (write, end) in enumerate(zip(writes, ends, strict=False)):
            if position < states and position < len(given):
                self._link(MERGE, [given[position], end], write)
            else:
                self._link(STACK, [end], write)
