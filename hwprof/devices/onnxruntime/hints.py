"""What ONNX Runtime's optimised graph says of itself: how it moves data, fuses, and names what it
made."""

from __future__ import annotations

import re

from onnx import GraphProto, NodeProto

from hwprof.models.onnx.graph import reads, subgraphs
from hwprof.models.onnx.steps import Names, Step

# The optimiser inserts these to change how the same tensor lies in memory, or what its type is.
_MOVES = frozenset(
    {"ReorderInput", "ReorderOutput", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}
    | {"Cast", "Identity"}
)
# Their fourth input is added to what they compute: the other branch of a residual block.
_ADDING = frozenset({"Conv", "FusedConv"})
# Blocked layout: `<tensor>_nchwc`, `<tensor>_bn_nchwc`, `<tensor>_mul_nchwc`.
_BLOCKED = (re.compile(r"_nchwc$"), re.compile(r"_[a-z]+_nchwc$"))
_FUSION = re.compile(r"/\w*Fusion\w*/?$")


def steps_of(graph: GraphProto) -> list[Step]:
    """The nodes of an optimised graph, those of its subgraphs inside them."""
    return [_step(node) for node in graph.node]


def _step(node: NodeProto) -> Step:
    adds = node.input[3] if node.op_type in _ADDING and len(node.input) > 3 else ""
    return Step(
        reads=reads(node),
        writes=tuple(node.output),
        moves=node.op_type in _MOVES,
        op=node.op_type,
        name=node.name,
        adds=adds,
        then=next((a.s.decode() for a in node.attribute if a.name == "activation"), ""),
        inner={name: steps_of(graph) for name, graph in subgraphs(node)},
    )


def named_tensor(step: Step, names: Names) -> str | None:
    """The tensor that a node's name gives away: one of a blocked layout, or of a fusion.

    A fused node has the name of one of its parts, or `<name>/<Fusion>/`.
    """
    for suffix in _BLOCKED:
        base, found = suffix.subn("", step.name)
        tensor = names.tensor(base) if found else None
        if tensor is not None:
            return tensor
    return names.node(step.name) or names.node(_FUSION.sub("", step.name))
