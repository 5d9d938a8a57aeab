"""Model-local functions written out where they are called, so that every node stands for itself.

Runtimes do the same before they optimise. A node of a function's body is called `<caller>/<node>`,
its tensors likewise; those that the caller hands in or takes out keep the caller's names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto

from hwprof.models.onnx.graph import OWN_DOMAINS, node_names, subgraphs

# Functions that call functions multiply; a file of a few lines could ask for any number of nodes.
MAX_NODES = 500_000

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function in the graph: `path` is the caller's name, `outer/inner` if nested."""

    function: str
    path: str


def inlined(model: ModelProto) -> ModelProto:
    """The model with its functions written out, itself where it has none.

    Left as it is, too, where it would have more than `MAX_NODES` nodes, as functions that call
    themselves have. Operators of a function's own operator set are taken for the model's.
    """
    return expand(model)[0]


def expand(model: ModelProto) -> tuple[ModelProto, tuple[Call, ...]]:
    """As `inlined`, and every call that was written out, outer ones before those inside them."""
    functions = {_key(f.domain, f.name, f.overload): f for f in model.functions}
    if not functions:
        return model, ()
    writer = _Writer(functions)
    graph = GraphProto()
    graph.CopyFrom(model.graph)
    if not writer.write(graph):
        return model, ()
    found = ModelProto()
    found.CopyFrom(model)
    found.graph.CopyFrom(graph)
    del found.functions[:]
    return found, tuple(writer.calls)


def _key(domain: str, name: str, overload: str) -> _Key:
    return ("" if domain in OWN_DOMAINS else domain, name, overload)


class _Writer:
    def __init__(self, functions: Mapping[_Key, FunctionProto]) -> None:
        self.functions = functions
        self.calls: list[Call] = []
        self.left = MAX_NODES

    def write(self, graph: GraphProto) -> bool:
        """Write out all calls in `graph`, one level after the other; False where they are too many.

        Level by level, as ONNX Runtime does it, so that calls are met in its order.
        """
        for node, name in zip(graph.node, node_names(graph), strict=True):
            if not node.name and self._called(node) is not None:
                node.name = name
        pending = deque([graph])
        while pending:
            inner = pending.popleft()
            while any(self._called(node) is not None for node in inner.node):
                nodes = [each for node in inner.node for each in self._level(node)]
                self.left -= len(nodes)
                if self.left < 0:
                    return False
                del inner.node[:]
                inner.node.extend(nodes)
            pending.extend(each for node in inner.node for _, each in subgraphs(node))
        return True

    def _called(self, node: NodeProto) -> FunctionProto | None:
        return self.functions.get(_key(node.domain, node.op_type, node.overload))

    def _level(self, node: NodeProto) -> Iterator[NodeProto]:
        """The node itself, or the body of the function that it calls."""
        function = self._called(node)
        if function is None:
            yield node
            return
        path = node.name or node.op_type
        self.calls.append(Call(function.name, path))
        names = _Names(path)
        for formal, actual in (
            *_bound(function.input, node.input),
            *((f, a) for f, a in _bound(function.output, node.output) if a),
        ):
            names.known[formal] = actual
        given = {a.name: a for a in function.attribute_proto}
        given.update((a.name, a) for a in node.attribute)
        for index, inner in enumerate(function.node):
            copy = NodeProto()
            copy.CopyFrom(inner)
            _rename(copy, names, given)
            copy.name = f"{path}/{inner.name or f'{inner.op_type}_{index}'}"
            yield copy


class _Names:
    """New names of a body's tensors."""

    def __init__(self, path: str, known: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.known = dict(known or {})

    def of(self, name: str) -> str:
        return self.known.get(name, f"{self.path}/{name}") if name else ""


def _bound(formal: object, actual: object) -> Iterator[tuple[str, str]]:
    """Names of a function's inputs or outputs with the caller's; "" for those left out."""
    names = list(actual)  # type: ignore[call-overload]
    for position, name in enumerate(formal):  # type: ignore[arg-type, var-annotated]
        yield name, names[position] if position < len(names) else ""


def _rename(node: NodeProto, names: _Names, given: Mapping[str, AttributeProto]) -> None:
    """Give a copied node the caller's tensors and attributes, those of graphs inside it too."""
    node.input[:] = [names.of(name) for name in node.input]
    node.output[:] = [names.of(name) for name in node.output]
    kept = []
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            if attribute.ref_attr_name not in given:
                continue  # left out by the caller, and without a default
            own = AttributeProto()
            own.CopyFrom(given[attribute.ref_attr_name])
            own.name = attribute.name
            kept.append(own)
        else:
            kept.append(attribute)
    copies = [AttributeProto.FromString(each.SerializeToString()) for each in kept]
    del node.attribute[:]
    node.attribute.extend(copies)
    for _, graph in subgraphs(node):
        for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
            value.name = names.of(value.name)
        for inner in graph.node:
            _rename(inner, names, given)
            inner.name = f"{names.path}/{inner.name}" if inner.name else ""
