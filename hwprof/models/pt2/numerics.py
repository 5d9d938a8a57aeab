"""How a program of torch.export treats numbers: its types, and whether it draws at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hwprof.models.pt2.archive import SCALAR_TYPES, Archive

# Names of operators without namespace and overload, or what such names begin with.
_DRAWS = ("rand", "bernoulli", "multinomial", "normal", "poisson", "exponential", "rrelu")
_DROPS = ("dropout", "native_dropout", "alpha_dropout", "feature_dropout")


def operators(archive: Archive) -> tuple[str, ...]:
    """The operators of the program and of the graphs inside it, such as `aten.linear.default`."""
    return tuple(str(node["target"]).removeprefix("torch.ops.") for node in _nodes(archive.graph))


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.get("nodes", ()):
        yield node
        for each in node.get("inputs", ()):
            inner = each["arg"].get("as_graph") if isinstance(each["arg"], dict) else None
            if inner:
                yield from _nodes(inner["graph"])


def drawn_by(archive: Archive) -> str:
    """The operator that draws random numbers; empty where none does."""
    for node in _nodes(archive.graph):
        parts = str(node["target"]).removeprefix("torch.ops.").split(".")
        name = parts[1].rstrip("_") if len(parts) > 1 else parts[0]
        if name.startswith(_DRAWS) and not name.startswith("normalize"):
            return name
        if name in _DROPS and _trains(node):
            return name
    return ""


def _trains(node: Any) -> bool:
    for each in node.get("inputs", ()):
        if each.get("name") in ("train", "training"):
            return bool(each["arg"].get("as_bool", True))
    return False


def low_floats(archive: Archive) -> str:
    """The type of 16 bits that some tensor has, the coarser of two; empty where none has."""
    found = {weight.dtype for weight in archive.weights.values()}
    for meta in archive.graph.get("tensor_values", {}).values():
        found.add(SCALAR_TYPES.get(meta["dtype"], ""))
    return next((kind for kind in ("bfloat16", "float16") if kind in found), "")
