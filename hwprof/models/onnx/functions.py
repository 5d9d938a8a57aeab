"""Model-local functions written out where they are called, so that every node stands for itself.

Runtimes do the same before they optimise. A node of a function's body is called `<caller>/<node>`,
its tensors likewise; those that the caller hands in or takes out keep the caller's names.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto

from hwprof.models.onnx.graph import OWN_DOMAINS, nested_nodes, node_names, subgraphs

# Functions that call functions multiply; a file of a few lines could ask for any number of nodes.
MAX_NODES = 500_000
# Names grow with every call that stands in a call.
MAX_DEPTH = 100
MOST_NAMED = 5

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function in the graph: `path` is the caller's name, `outer/inner` if nested."""

    function: str
    path: str


@dataclass(frozen=True, slots=True)
class Unfolding:
    """What becomes of a model whose functions are written out."""

    nodes: int | None
    """How many nodes it has then; None for more than `MAX_NODES`, and without an end."""
    circle: str = ""
    """Functions that call one another without end, such as `F, G, F`."""
    too_deep: bool = False
    """Whether they call one another more than `MAX_DEPTH` deep."""


def unfolding(model: ModelProto) -> Unfolding:
    """Follow the calls of a model's functions, without writing anything out."""
    functions = {_key(f.domain, f.name, f.overload): f for f in model.functions}
    # By function: its own nodes, and how often it calls which other ones.
    bodies = {key: _body(function.node, functions) for key, function in functions.items()}
    known: dict[_Key, tuple[int, int]] = {}
    for root in functions:
        # Without recursion: the chain of calls may be as long as the file.
        path: dict[_Key, Iterator[_Key]] = {}
        pending: _Key | None = root
        while pending is not None or path:
            if pending is not None and pending in path:
                names = [key[1] for key in path]
                start = list(path).index(pending)
                return Unfolding(None, ", ".join([*names[start:][:MOST_NAMED], pending[1]]))
            if pending is not None and pending not in known:
                path[pending] = iter(bodies[pending][1])
            last = next(reversed(path), None)
            if last is None:
                break
            pending = next(path[last], None)
            if pending is None:
                del path[last]
                known[last] = _size(bodies[last], known)
    nodes, depth = _size(_body(model.graph.node, functions), known)
    depth = max([depth, *(deep for _, deep in known.values())])
    return Unfolding(None if nodes > MAX_NODES else nodes, too_deep=depth > MAX_DEPTH)


def _body(
    nodes: Iterable[NodeProto], functions: Mapping[_Key, FunctionProto]
) -> tuple[int, Counter[_Key]]:
    count, calls = 0, Counter[_Key]()
    for node in nested_nodes(nodes):
        key = _key(node.domain, node.op_type, node.overload)
        count += 1
        if key in functions:
            calls[key] += 1
    return count, calls


def _size(
    body: tuple[int, Counter[_Key]], known: Mapping[_Key, tuple[int, int]]
) -> tuple[int, int]:
    """Nodes of a body with its calls written out, and how deep these go."""
    count, calls = body
    nodes = count + sum(known[key][0] * times for key, times in calls.items())
    depth = 1 + max((known[key][1] for key in calls), default=0)
    return min(nodes, MAX_NODES + 1), depth


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
    found = unfolding(model)
    if found.nodes is None or found.too_deep:
        return model, ()
    writer = _Writer(functions)
    graph = GraphProto()
    graph.CopyFrom(model.graph)
    if not writer.write(graph):
        return model, ()
    made = ModelProto()
    made.CopyFrom(model)
    made.graph.CopyFrom(graph)
    del made.functions[:]
    return made, tuple(writer.calls)


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
