"""What ONNX Runtime's optimised graph says of itself: how it moves data, fuses, and names what it
made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from onnx import GraphProto, NodeProto

from hwprof.models.onnx.functions import Call
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
# What the runtime puts before the names of a function that it writes out.
_WRITTEN_OUT = "_inlfunc_"
_FUSION = re.compile(r"/\w*Fusion\w*/?$")


def steps_of(graph: GraphProto, calls: Sequence[Call] = ()) -> list[Step]:
    """The nodes of an optimised graph, those of its subgraphs inside them.

    `calls` are those of the model's functions in the order of `expand`: names that the runtime
    made when it wrote the functions out become those of `hwprof.models.onnx.functions`.
    """
    rename = _renaming(graph, calls) if calls else _same
    return [_step(node, rename) for node in graph.node]


def _same(name: str) -> str:
    return name


def _step(node: NodeProto, rename: Callable[[str], str]) -> Step:
    adds = node.input[3] if node.op_type in _ADDING and len(node.input) > 3 else ""
    return Step(
        reads=[rename(name) for name in reads(node)],
        writes=tuple(rename(name) for name in node.output),
        moves=node.op_type in _MOVES,
        op=node.op_type,
        name=rename(node.name),
        adds=rename(adds),
        then=next((a.s.decode() for a in node.attribute if a.name == "activation"), ""),
        inner={
            name: [_step(each, rename) for each in inner.node] for name, inner in subgraphs(node)
        },
    )


def _renaming(graph: GraphProto, calls: Sequence[Call]) -> Callable[[str], str]:
    """From `_inlfunc_Block_token_0_proj` to `layer1/proj`.

    The runtime numbers the calls of a function as it writes them out, the first without a number.
    Numbers are led back by their order where each call left its mark in the graph; names of a
    function of which some did not stay as they are.
    """
    paths: dict[str, list[str]] = {}
    for call in calls:
        paths.setdefault(call.function, []).append(call.path)
    longest = sorted(paths, key=len, reverse=True)
    written = re.compile(
        f"{_WRITTEN_OUT}({'|'.join(map(re.escape, longest))})_(?:token_([0-9]+)_)?"
    )
    marks: dict[str, set[int]] = {}
    for name in _all_names(graph):
        if found := written.match(name):
            marks.setdefault(found[1], set()).add(int(found[2] or -1))
    known = {
        (function, mark): path
        for function, numbers in marks.items()
        if len(numbers) == len(paths[function])
        for mark, path in zip(sorted(numbers), paths[function], strict=True)
    }

    def rename(name: str) -> str:
        found = written.match(name)
        path = None if found is None else known.get((found[1], int(found[2] or -1)))
        return name if found is None or path is None else f"{path}/{name[found.end() :]}"

    return rename


def _all_names(graph: GraphProto) -> Iterator[str]:
    yield from (tensor.name for tensor in graph.initializer)
    for node in graph.node:
        yield from (node.name, *node.input, *node.output)
        for _, inner in subgraphs(node):
            yield from _all_names(inner)


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
