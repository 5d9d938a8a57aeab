"""Questions that an ONNX graph leaves to its reader: what is inside a node, what is constant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

OWN_DOMAINS = ("", "ai.onnx")
"""The two names of ONNX's own operator set."""
WEIGHTS_STAND_ALONE = 4
"""Since this IR version initializers need not be inputs; one that is may be replaced."""
SOFTMAX_ALONG_AXIS = 13
"""Before this operator set, `SOFTMAXES` flatten every dimension from `axis` on."""
SOFTMAXES = frozenset({"Softmax", "LogSoftmax", "Hardmax"})
HANDED_ON = frozenset({"Identity", "Dropout"})
"""They hand a tensor on as it is."""
IDLE = HANDED_ON | {
    *("Constant", "ConstantOfShape", "Shape", "Size", "Reshape", "Flatten"),
    *("Squeeze", "Unsqueeze", "Optional", "OptionalGetElement"),
}
"""They only give a tensor another shape, or hand it on, or tell its shape."""
RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"}
    | {"RandomUniform", "RandomUniformLike"}
)


def opset_of(model: ModelProto) -> int:
    """Version of ONNX's own operator set that the model uses; 0 where it uses none."""
    return max((o.version for o in model.opset_import if o.domain in OWN_DOMAINS), default=0)


def graph_operators(graph: GraphProto) -> set[str]:
    """Operators of a graph, those of its subgraphs included; other domains' as `domain.Name`."""
    found = set()
    for node in graph.node:
        own = node.domain in OWN_DOMAINS
        found.add(node.op_type if own else f"{node.domain}.{node.op_type}")
        for _, inner in subgraphs(node):
            found |= graph_operators(inner)
    return found


def subgraphs(node: NodeProto) -> Iterator[tuple[str, GraphProto]]:
    """The graphs among a node's attributes, by attribute name."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.name, attribute.g
        for number, graph in enumerate(attribute.graphs):
            yield f"{attribute.name}.{number}", graph


def nested_nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """The nodes, each followed by those of the graphs inside it."""
    for node in nodes:
        yield node
        for _, inner in subgraphs(node):
            yield from nested_nodes(inner.node)


def reads(node: NodeProto) -> list[str]:
    """Tensors a node reads, each once: its inputs, then what its subgraphs take from outside."""
    return list(dict.fromkeys([*filter(None, node.input), *_captured(node)]))


def _captured(node: NodeProto) -> Iterator[str]:
    for _, graph in subgraphs(node):
        own = {t.name for t in (*graph.input, *graph.initializer)}
        own.update(name for inner in graph.node for name in inner.output)
        for inner in graph.node:
            yield from (name for name in reads(inner) if name not in own)
        yield from (output.name for output in graph.output if output.name not in own)


def node_names(graph: GraphProto) -> list[str]:
    """A name for every node: its own, `<op>_<index>` when it has none, `name#<index>` if taken."""
    names: dict[str, None] = {}
    for index, node in enumerate(graph.node):
        name = node.name or f"{node.op_type}_{index}"
        names[name if name not in names else f"{name}#{index}"] = None
    return list(names)


def constant_tensors(graph: GraphProto, overridable: bool, outer: frozenset[str]) -> set[str]:
    """Tensors that follow from constants alone; `outer` are those of the enclosing graphs.

    `overridable`: initializers that are graph inputs too may be replaced
    (`WEIGHTS_STAND_ALONE`).
    """
    inputs = {i.name for i in graph.input}
    constant = {t.name for t in graph.initializer if not (overridable and t.name in inputs)}
    constant |= {t.values.name for t in graph.sparse_initializer}
    for node in graph.node:
        known = all(name in constant or name in outer for name in reads(node))
        if known and node.op_type not in RANDOM:
            constant.update(filter(None, node.output))
    return constant
