"""Which nodes of the ONNX file each node of OpenVINO's runtime model stands for.

OpenVINO names a layer after the ONNX node that it comes from (after its output, if the node has
no name) and lists the layers that a kernel fused. Layers that its passes rewrote lose their names,
but what lies between two named layers must have been computed there: the runtime model is
written down as steps over the file's own tensors, and `cover` does the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from onnx import GraphProto, ModelProto

from hwprof.devices.openvino.runtime_model import RuntimeNode
from hwprof.models.onnx.cover import cover, nodes_with_work
from hwprof.models.onnx.graph import node_names, subgraphs
from hwprof.models.onnx.steps import Step

# Layers that rearrange a tensor, with the ONNX operator that each is.
_REARRANGES: Mapping[str, str] = {
    "Reorder": "",
    "Reshape": "Reshape",
    "Transpose": "Transpose",
    "Convert": "Cast",
}


@dataclass(frozen=True, slots=True)
class Coverage:
    """`nodes[i]` names the ONNX nodes that runtime node i covers, in the file's order.

    Each ONNX node belongs to one runtime node at most. `own[i]` leaves out what was
    optimised away and costs runtime node i nothing, and what lies in branches and bodies. `work`
    names those that have something to do, `uncovered` those of them that no kernel covers.
    """

    nodes: tuple[tuple[str, ...], ...]
    own: tuple[tuple[str, ...], ...]
    work: frozenset[str]
    uncovered: tuple[str, ...]


def cover_runtime(
    source: ModelProto, nodes: Sequence[RuntimeNode], executed: Sequence[bool]
) -> Coverage:
    """Lead runtime nodes back to nodes of `source`, whose weights are not needed.

    Nodes of branches and loop bodies go with the kernel that holds these. What a runtime node
    that was optimised away would cover belongs to the kernel that reads it, or else to the one
    it reads.
    """
    found = cover(source, _Writer(source.graph).write(nodes)).nodes
    claims = [list(found[str(i)]) for i in range(len(nodes))]
    own = tuple(tuple(mine) for mine in claims)
    _hand_over(claims, nodes, executed)
    work = nodes_with_work(source)
    everyone = dict(_with_nested(source.graph, ""))
    order = {name: i for i, name in enumerate(everyone)}
    claimed = tuple(
        tuple(n for each in sorted(mine, key=order.__getitem__) for n in (each, *everyone[each]))
        for mine in claims
    )
    covered = {name for names, ran in zip(claimed, executed, strict=True) if ran for name in names}
    return Coverage(claimed, own, frozenset(work), tuple(n for n in work if n not in covered))


class _Writer:
    """Writes runtime nodes as steps over the tensors of the model file."""

    def __init__(self, graph: GraphProto) -> None:
        self._nodes = list(graph.node)
        self._by_layer: dict[str, int] = {}
        # A layer has its node's name, or an output's: where there is none, and before a result.
        for index, node in enumerate(self._nodes):
            if node.name:
                self._by_layer.setdefault(node.name, index)
        for index, node in enumerate(self._nodes):
            for tensor in filter(None, node.output):
                self._by_layer.setdefault(tensor, index)
        self._commas = max((layer.count(",") for layer in self._by_layer), default=0)

    def write(self, nodes: Sequence[RuntimeNode]) -> list[Step]:
        """One step per runtime node, in the same order."""
        tensors: dict[str, list[str]] = {}
        written = []
        for index, node in enumerate(nodes):
            if node.is_input:
                tensors[node.name] = [node.name]
            reads = [t for p in node.producers for t in tensors.get(p, ())]
            writes = self._written(node) or [f"\0{index}"]
            if not node.is_kernel:
                written.append(Step((), [f"\0{index}"]))
                continue
            tensors[node.name] = writes
            # What rearranges has something to rearrange; a layer that reads a constant has not.
            moves = bool(reads) and node.kind in _REARRANGES
            op = _REARRANGES[node.kind] if moves else ""
            written.append(Step(reads, writes, moves=moves, op=op))
        return written

    def _written(self, node: RuntimeNode) -> list[str]:
        """Tensors of the file that the layers fused into a runtime node write, last first."""
        indices = sorted({*self._indices(node.layers)}, reverse=True)
        return [name for i in indices for name in self._nodes[i].output if name]

    def _indices(self, layers: Sequence[str]) -> Iterable[int]:
        """ONNX nodes by layer name; a name that holds commas arrives in pieces."""
        at = 0
        while at < len(layers):
            for pieces in range(min(self._commas + 1, len(layers) - at), 0, -1):
                index = self._index(",".join(layers[at : at + pieces]))
                if index is not None:
                    yield index
                    break
            at += pieces

    def _index(self, layer: str) -> int | None:
        """A layer's ONNX node; converting an output's type adds `.0`, its port, to the name."""
        while layer not in self._by_layer:
            layer, changed = re.subn(r"\.\d+$", "", layer)
            if not changed:
                return None
        return self._by_layer[layer]


def _hand_over(
    claims: list[list[str]], nodes: Sequence[RuntimeNode], executed: Sequence[bool]
) -> None:
    """Give what runtime nodes without a run of their own cover to a neighbour that ran."""
    by_name = {node.name: i for i, node in enumerate(nodes)}
    reads = [[by_name[p] for p in node.producers if p in by_name] for node in nodes]
    readers: list[list[int]] = [[] for _ in nodes]
    for i, sources in enumerate(reads):
        for source in sources:
            readers[source].append(i)
    for i, mine in enumerate(claims):
        if executed[i] or not mine:
            continue
        for onwards in (readers, reads):
            heir = _nearest(i, onwards.__getitem__, executed)
            if heir is not None:
                claims[heir].extend(mine)
                mine.clear()
                break


def _nearest(
    start: int, onwards: Callable[[int], list[int]], executed: Sequence[bool]
) -> int | None:
    """The first executed node met on the way onwards from `start`, breadth first."""
    pending, seen = list(onwards(start)), {start}
    for node in pending:  # grows while it is walked
        if executed[node]:
            return node
        if node not in seen:
            seen.add(node)
            pending.extend(onwards(node))
    return None


def _with_nested(graph: GraphProto, prefix: str) -> Iterable[tuple[str, tuple[str, ...]]]:
    """For every node of `graph` the names of the nodes inside it, `outer/inner`."""
    for node, name in zip(graph.node, node_names(graph), strict=True):
        inside: list[str] = []
        for _, inner in subgraphs(node):
            for nested, deeper in _with_nested(inner, f"{prefix}{name}/"):
                inside += [nested, *deeper]
        yield prefix + name, tuple(inside)
