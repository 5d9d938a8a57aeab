"""Which nodes of the model file each kernel of the optimised graph stands for.

The optimiser folds, fuses and renames. Where a tensor kept its name, or a new one can be traced
to an old one, the kernel covers what lies between the tensors it writes and those it reads: a
backward slice of the model. Layout changes write the same tensor under another name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onnx import GraphProto, ModelProto, NodeProto

from hwprof.models.onnx.graph import (
    RANDOM,
    constant_tensors,
    node_names,
    reads,
    subgraphs,
)

# They only give a tensor another shape, or hand it on, or tell its shape.
IDLE = frozenset(
    {"Constant", "ConstantOfShape", "Shape", "Size", "Identity", "Dropout", "Reshape", "Flatten"}
    | {"Squeeze", "Unsqueeze", "Optional", "OptionalGetElement"}
)

# The optimiser inserts these to change how the same tensor lies in memory.
_LAYOUT = frozenset(
    {"ReorderInput", "ReorderOutput", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}
    | {"Cast", "Identity"}
)
_HANDED_ON = frozenset({"Identity", "Dropout"})
_SMALL_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Coverage:
    """`nodes` maps a kernel's path (`Placed.path`) to the names of the nodes that it covers.

    `uncovered` names the nodes that have work to do, reach an output, do not follow from
    constants or shapes alone, and that no kernel covers. Unnamed nodes are `<op>_<index>`.
    """

    nodes: Mapping[str, tuple[str, ...]]
    uncovered: tuple[str, ...]


def cover(source: ModelProto, optimised: ModelProto) -> Coverage:
    """Map every node of `optimised`, nested ones included, to nodes of `source`.

    Each source node belongs to at most one kernel, but for equal nodes: the optimiser computes
    these once, so the kernel that does covers them all. Needs no weights.
    """
    nodes: dict[str, tuple[str, ...]] = {}
    uncovered: list[str] = []
    overridable = source.ir_version >= 4
    scope = _Source(source.graph, overridable, None, "")
    _cover_graph(scope, optimised.graph, {}, "", nodes, uncovered)
    return Coverage(nodes, tuple(uncovered))


def nodes_with_work(source: ModelProto) -> tuple[str, ...]:
    """Names of the nodes of the main graph that any runtime must find some kernel for.

    They reach an output and do not follow from constants or shapes alone. Needs no weights.
    """
    return cover(source, ModelProto()).uncovered


def _cover_graph(
    source: _Source,
    optimised: GraphProto,
    outer: Mapping[str, str],
    prefix: str,
    nodes: dict[str, tuple[str, ...]],
    uncovered: list[str],
) -> None:
    slicer = _Slicer(source, optimised, outer)
    covered: set[int] = set()
    for index, node in enumerate(optimised.node):
        claimed = slicer.claim(node)
        path = f"{prefix}{index}"
        nodes[path] = source.names_of(claimed)
        inner = dict(subgraphs(node))
        partner = next(
            (i for i in sorted(claimed) if source.nodes[i].op_type == node.op_type), None
        )
        if inner and partner is not None:
            for name, graph in subgraphs(source.nodes[partner]):
                if name in inner:
                    within = f"{source.prefix}{source.names[partner]}/"
                    scope = _Source(graph, source.overridable, source, within)
                    _cover_graph(
                        scope, inner[name], slicer.alias, f"{path}/{name}/", nodes, uncovered
                    )
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
        """Give equal tensors one name: the optimiser computes equal nodes once."""
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

    def inputs(self, index: int) -> list[str]:
        return [self.same.get(name, name) for name in reads(self.nodes[index])]

    def output(self, index: int) -> str:
        name = str(self.nodes[index].output[0])
        return self.same.get(name, name)


class _Slicer:
    """Claims source nodes for the optimised nodes of one graph, in their order."""

    def __init__(self, source: _Source, graph: GraphProto, outer: Mapping[str, str]) -> None:
        self.source = source
        self.used: set[int] = set()
        self.alias: dict[str, str] = dict(outer)
        """Optimised tensors by the source tensor they carry, where the names differ."""
        for node in reversed(graph.node):
            if node.op_type in _LAYOUT and self._base_by_name(node) is None:
                carried = self.canonical(node.output[0])
                if carried is not None and self.canonical(node.input[0]) is None:
                    self.alias[node.input[0]] = self._before(node, carried)

    def canonical(self, name: str) -> str | None:
        """The source tensor that an optimised tensor carries, if that is known."""
        name = self.source.same.get(name, name)
        return name if name in self.source.known else self.alias.get(name)

    def claim(self, node: NodeProto) -> set[int]:
        """The source nodes that `node` computes and that nobody claimed before."""
        stops = {self.canonical(name) for name in reads(node)}
        finals = []
        for position, name in enumerate(node.output):
            if not name:
                continue
            final = self.canonical(name)
            if final is None and position == 0:
                final = self._final(node)
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

    def _before(self, node: NodeProto, carried: str) -> str:
        """What a layout change reads, given the source tensor it writes."""
        index = self.source.producer.get(carried)
        if index is not None and self.source.nodes[index].op_type == node.op_type:
            return self.source.inputs(index)[0]
        return carried

    def _final(self, node: NodeProto) -> str | None:
        """The source tensor carried by an output that has a new name."""
        base = self._base_by_name(node)
        if base is not None:
            return self._grow(node, base)
        return self.canonical(node.input[0]) if node.op_type in _LAYOUT else None

    def _base_by_name(self, node: NodeProto) -> str | None:
        """A source tensor that the node's name gives away."""
        # Blocked layout: `<tensor>_nchwc`, `<tensor>_bn_nchwc`, `<tensor>_mul_nchwc`.
        for suffix in (r"_nchwc$", r"_[a-z]+_nchwc$"):
            name, found = re.subn(suffix, "", node.name)
            tensor = self.source.same.get(name, name)
            if found and tensor in self.source.producer:
                return tensor
        # Fusions: the name of a fused node, or `<name>/<Fusion>/`.
        for name in (node.name, re.sub(r"/\w*Fusion\w*/?$", "", node.name)):
            index = self.source.by_name.get(name)
            if index is not None and self.source.nodes[index].output:
                return self.source.output(index)
        return None

    def _grow(self, node: NodeProto, tensor: str) -> str:
        """Follow what the node also does after writing `tensor`: residual sum, then activation."""
        source = self.source
        activation = next((a.s.decode() for a in node.attribute if a.name == "activation"), "")
        if node.op_type in ("Conv", "FusedConv") and len(node.input) > 3 and node.input[3]:
            other = self.canonical(node.input[3])
            for index in self._readers(tensor):
                if source.nodes[index].op_type in ("Add", "Sum") and (
                    other is None or other in source.inputs(index)
                ):
                    tensor = source.output(index)
                    break
        producer = source.producer.get(tensor)
        if activation and (producer is None or source.nodes[producer].op_type != activation):
            for index in self._readers(tensor):
                if source.nodes[index].op_type == activation:
                    return source.output(index)
        return tensor

    def _readers(self, tensor: str) -> list[int]:
        """Unclaimed readers of a tensor, also of what merely hands it on."""
        readers = []
        for index in self.source.consumers.get(tensor, ()):
            if self.source.nodes[index].op_type in _HANDED_ON:
                readers += self._readers(self.source.output(index))
            elif index not in self.used:
                readers.append(index)
        return readers
