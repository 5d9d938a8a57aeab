"""Questions that an ONNX graph leaves to its reader: what is inside a node, what is constant."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import GraphProto, NodeProto

RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"}
    | {"RandomUniform", "RandomUniformLike"}
)


def subgraphs(node: NodeProto) -> Iterator[tuple[str, GraphProto]]:
    """The graphs among a node's attributes, by attribute name."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.name, attribute.g
        for number, graph in enumerate(attribute.graphs):
            yield f"{attribute.name}.{number}", graph


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

    `overridable`: initializers that are graph inputs too may be replaced (since IR version 4).
    """
    inputs = {i.name for i in graph.input}
    constant = {t.name for t in graph.initializer if not (overridable and t.name in inputs)}
    constant |= {t.values.name for t in graph.sparse_initializer}
    for node in graph.node:
        known = all(name in constant or name in outer for name in reads(node))
        if known and node.op_type not in RANDOM:
            constant.update(filter(None, node.output))
    return constant
