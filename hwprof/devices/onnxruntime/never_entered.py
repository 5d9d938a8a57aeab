"""Which graphs inside control flow no run entered: their cost is in no figure."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import GraphProto

from hwprof.devices.onnxruntime.join import Placed
from hwprof.models.onnx.graph import subgraphs


def never_entered(placed: Sequence[Placed], names: Sequence[str]) -> tuple[str, ...]:
    """Branches not taken and bodies of no turns: `exit/then_branch (3 nodes)`.

    `names` are those of the placed nodes. What lies inside a graph named here is not named again.
    A graph without nodes has nothing to run. Where two graphs of a node look alike, the profile
    cannot tell which of them ran, and neither is named.
    """
    entered = {each.path.rpartition("/")[0] for each in placed}
    # A node that met several shapes stands here several times, under numbered names.
    first: dict[str, str] = {}
    found: dict[str, None] = {}
    for each, name in zip(placed, names, strict=True):
        graphs = dict(subgraphs(each.proto))
        ran = [_look(graph) for key, graph in graphs.items() if f"{each.path}/{key}" in entered]
        for key, graph in graphs.items():
            count = _nodes(graph)
            if count and f"{each.path}/{key}" not in entered and _look(graph) not in ran:
                plural = "s" if count > 1 else ""
                found[f"{first.setdefault(each.path, name)}/{key} ({count} node{plural})"] = None
    return tuple(found)


def _look(graph: GraphProto) -> list[tuple[str, str]]:
    return sorted((node.op_type, node.name) for node in graph.node)


def _nodes(graph: GraphProto) -> int:
    """Nodes of a graph and of all graphs inside it."""
    inner = (_nodes(each) for node in graph.node for _, each in subgraphs(node))
    return len(graph.node) + sum(inner)
