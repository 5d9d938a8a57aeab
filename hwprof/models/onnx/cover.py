"""Which nodes of the model file each kernel of a runtime stands for.

Runtimes fold, fuse and rename. Where a tensor kept its name, or a new one can be traced to an old
one, the kernel covers what lies between the tensors it writes and those it reads: a backward slice
of the model. What merely moves data writes the same tensor under another name. How a runtime calls
what it made is known to that runtime alone, which tells it by `hwprof.models.onnx.steps`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from onnx import GraphProto, ModelProto

from hwprof.models.onnx.graph import (
    HANDED_ON,
    IDLE,
    RANDOM,
    WEIGHTS_STAND_ALONE,
    constant_tensors,
    node_names,
    reads,
    subgraphs,
)
from hwprof.models.onnx.steps import Hints, Step, no_hints

_SMALL_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Coverage:
    """`nodes` maps a step's path to the names of the nodes that it covers.

    A path is the step's place, `3/then_branch/0` inside another. `uncovered` names the nodes that
    have work to do, reach an output, do not follow from constants or shapes alone, and that no
    step covers. Unnamed nodes are `<op>_<index>`.
    """

    nodes: Mapping[str, tuple[str, ...]]
    uncovered: tuple[str, ...]


def cover(source: ModelProto, steps: Sequence[Step], hints: Hints = no_hints) -> Coverage:
    """Map every step, nested ones included, to nodes of `source`. Needs no weights.

    Each source node belongs to at most one step, but for equal nodes: runtimes compute these
    once, so the step that does covers them all.
    """
    nodes: dict[str, tuple[str, ...]] = {}
    uncovered: list[str] = []
    scope = _Source(source.graph, source.ir_version >= WEIGHTS_STAND_ALONE, None, "")
    _cover_graph(_Slicer(scope, steps, {}, hints), steps, "", nodes, uncovered)
    return Coverage(nodes, tuple(uncovered))


def nodes_with_work(source: ModelProto) -> tuple[str, ...]:
    """Names of the nodes of the main graph that any runtime must find some kernel for.

    They reach an output and do not follow from constants or shapes alone. Needs no weights.
    """
    return cover(source, ()).uncovered


def _cover_graph(
    slicer: _Slicer,
    steps: Sequence[Step],
    prefix: str,
    nodes: dict[str, tuple[str, ...]],
    uncovered: list[str],
) -> None:
    source = slicer.source
    covered: set[int] = set()
    for index, step in enumerate(steps):
        claimed = slicer.claim(step)
        path = f"{prefix}{index}"
        nodes[path] = source.names_of(claimed)
        partner = next((i for i in sorted(claimed) if source.nodes[i].op_type == step.op), None)
        if step.inner and partner is not None:
            for name, graph in subgraphs(source.nodes[partner]):
                if name in step.inner:
                    within = f"{source.prefix}{source.names[partner]}/"
                    scope = _Source(graph, source.overridable, source, within)
                    inside = _Slicer(scope, step.inner[name], slicer.alias, slicer.hints)
                    _cover_graph(inside, step.inner[name], f"{path}/{name}/", nodes, uncovered)
        covered.update(twin for i in claimed for twin in source.twins[i])
    left = source.with_work - covered
    uncovered.extend(source.prefix + source.names[i] for i in sorted(left))


class _Source:
    """One graph of the model file, with equal tensors known under one name."""

    def __init__(
        self, graph: GraphProto, overridable: bool, parent: _Source | None, prefix: str
    ) -> None:
        self.nodes = list(graph.node)
        self.names = node_names(graph)
        self.prefix = prefix
        self.overridable = overridable
        outer: frozenset[str] = frozenset(parent.constant) if parent else frozenset()
        self.constant: set[str] = constant_tensors(graph, overridable, outer) | outer
        self.same: dict[str, str] = dict(parent.same) if parent else {}
        self.twins: dict[int, list[int]] = {}
        self.producer: dict[str, int] = {}
        self.consumers: dict[str, list[int]] = {}
        self.by_name = {node.name: i for i, node in enumerate(self.nodes) if node.name}
        self._number(graph)
        self.known = set(self.producer) | {self.same.get(i.name, i.name) for i in graph.input}
        if parent:
            self.known |= parent.known
        self.with_work = self._with_work(graph)

    def _number(self, graph: GraphProto) -> None:
        """Give equal tensors one name: runtimes compute equal nodes once."""
        values: dict[object, tuple[int, list[str]]] = {}
        for tensor in graph.initializer:
            if tensor.name in self.constant and 0 < len(tensor.raw_data) <= _SMALL_BYTES:
                content = (tensor.data_type, tuple(tensor.dims), tensor.raw_data)
                leader = values.setdefault(content, (-1, [tensor.name]))[1][0]
                self.same[tensor.name] = leader
        for index, node in enumerate(self.nodes):
            inputs = tuple(self.same.get(name, name) for name in node.input)
            attributes = sorted(a.SerializeToString(deterministic=True) for a in node.attribute)
            value = (node.domain, node.op_type, tuple(attributes), inputs, len(node.output))
            leader_index = index
            if node.op_type not in RANDOM and not any(subgraphs(node)):
                leader_index, outputs = values.setdefault(value, (index, list(node.output)))
                self.same.update(zip(node.output, outputs, strict=True))
            self.twins.setdefault(leader_index, []).append(index)
            if leader_index == index:
                self.producer.update((name, index) for name in node.output if name)
                for name in reads(node):
                    self.consumers.setdefault(self.same.get(name, name), []).append(index)

    def _with_work(self, graph: GraphProto) -> set[int]:
        """Nodes that must run: an output needs them, constants and shapes do not decide them."""
        decided = set(self.constant)
        needed: set[str] = {o.name for o in graph.output}
        work = set()
        for index, node in enumerate(self.nodes):
            free = all(name in decided for name in reads(node)) and node.op_type not in RANDOM
            if free or node.op_type in ("Shape", "Size"):
                decided.update(node.output)
            elif node.op_type not in IDLE:
                work.add(index)
        for index in range(len(self.nodes) - 1, -1, -1):
            if needed.isdisjoint(self.nodes[index].output):
                work.discard(index)
            else:
                needed.update(reads(self.nodes[index]))
        return work

    def names_of(self, claimed: Iterable[int]) -> tuple[str, ...]:
        everyone = sorted({twin for i in claimed for twin in self.twins[i]})
        return tuple(self.prefix + self.names[i] for i in everyone)

    def tensor(self, name: str) -> str | None:
        """A tensor's one name, if a node computes it."""
        name = self.same.get(name, name)
        return name if name in self.producer else None

    def node(self, name: str) -> str | None:
        """The first output of the node called `name`."""
        index = self.by_name.get(name)
        return self.output(index) if index is not None and self.nodes[index].output else None

    def inputs(self, index: int) -> list[str]:
        return [self.same.get(name, name) for name in reads(self.nodes[index])]

    def output(self, index: int) -> str:
        name = str(self.nodes[index].output[0])
        return self.same.get(name, name)


class _Slicer:
    """Claims source nodes for the steps of one graph, in their order."""

    def __init__(
        self, source: _Source, steps: Sequence[Step], outer: Mapping[str, str], hints: Hints
    ) -> None:
        self.source = source
        self.hints = hints
        self.used: set[int] = set()
        self.alias: dict[str, str] = dict(outer)
        """The runtime's tensors by the source tensor they carry, where the names differ."""
        for step in reversed(steps):
            if step.moves and hints(step, source) is None:
                carried = self.canonical(step.writes[0])
                if carried is not None and self.canonical(step.reads[0]) is None:
                    self.alias[step.reads[0]] = self._before(step, carried)

    def canonical(self, name: str) -> str | None:
        """The source tensor that a tensor of the runtime carries, if that is known."""
        name = self.source.same.get(name, name)
        return name if name in self.source.known else self.alias.get(name)

    def claim(self, step: Step) -> set[int]:
        """The source nodes that `step` computes and that nobody claimed before."""
        stops = {self.canonical(name) for name in step.reads}
        finals = []
        for position, name in enumerate(step.writes):
            if not name:
                continue
            final = self.canonical(name)
            if final is None and position == 0:
                final = self._final(step)
            if final is not None:
                self.alias.setdefault(name, final)
                finals.append(final)
        claimed = self._slice(finals, stops)
        self.used |= claimed
        return claimed

    def _slice(self, finals: Iterable[str], stops: set[str | None]) -> set[int]:
        source = self.source
        found: set[int] = set()
        pending = list(finals)
        direct = {source.producer[t] for t in pending if t in source.producer}
        while pending:
            tensor = pending.pop()
            index = source.producer.get(tensor)
            if tensor in stops or index is None or index in found or index in self.used:
                continue
            # What constants decide was folded away, unless this very kernel computes it.
            if tensor in source.constant and index not in direct:
                continue
            found.add(index)
            # A shape may have been folded: what it is the shape of is not this kernel's doing.
            if source.nodes[index].op_type not in ("Shape", "Size") or index in direct:
                pending.extend(source.inputs(index))
        return found

    def _before(self, step: Step, carried: str) -> str:
        """What a step that moves data reads, given the source tensor it writes."""
        index = self.source.producer.get(carried)
        if index is not None and self.source.nodes[index].op_type == step.op:
            return self.source.inputs(index)[0]
        return carried

    def _final(self, step: Step) -> str | None:
        """The source tensor carried by an output that has a new name."""
        told = self.hints(step, self.source)
        if told is not None:
            return self._grow(step, told)
        return self.canonical(step.reads[0]) if step.moves else None

    def _grow(self, step: Step, tensor: str) -> str:
        """Follow what the step also does after computing `tensor`: a sum, then an activation."""
        source = self.source
        if step.adds:
            other = self.canonical(step.adds)
            for index in self._readers(tensor):
                if source.nodes[index].op_type in ("Add", "Sum") and (
                    other is None or other in source.inputs(index)
                ):
                    tensor = source.output(index)
                    break
        producer = source.producer.get(tensor)
        if step.then and (producer is None or source.nodes[producer].op_type != step.then):
            for index in self._readers(tensor):
                if source.nodes[index].op_type == step.then:
                    return source.output(index)
        return tensor

    def _readers(self, tensor: str) -> list[int]:
        """Unclaimed readers of a tensor, also of what merely hands it on."""
        readers = []
        for index in self.source.consumers.get(tensor, ()):
            if self.source.nodes[index].op_type in HANDED_ON:
                readers += self._readers(self.source.output(index))
            elif index not in self.used:
                readers.append(index)
        return readers
