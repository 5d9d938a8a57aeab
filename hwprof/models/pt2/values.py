"""What the inputs of an exported program hold where nobody says: indices within their tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from hwprof.graph import TensorSpec
from hwprof.measurement import USUAL_VALUES, Values
from hwprof.models.inputs.recipe import Recipe
from hwprof.models.pt2.archive import UNFIT, Archive, unread_graph

_LOOKS = frozenset({"embedding", "embedding_bag", "_embedding_bag", "index_select", "index"})
# What they write holds the same values as what they read, or a part of them.
_HANDED = frozenset(
    {"to", "_to_copy", "view", "reshape", "unsqueeze", "squeeze", "expand", "slice", "select"}
    | {"transpose", "permute", "t", "clone", "contiguous", "alias", "detach", "flatten", "clamp"}
    | {"repeat", "_unsafe_view", "lift_fresh_copy", "long", "int"}
)

Shift = tuple[str, int]
"""An input, and what is added to it."""


def choose_for_exported(
    archive: Archive, inputs: Sequence[TensorSpec], given: Collection[str] = ()
) -> tuple[Values, ...]:
    """What each of the decided `inputs` holds: indices of a table stay within it.

    Others hold the usual values, as do those in `given`, for which somebody says. Raises ModelError
    for a graph that is not what torch.export writes.
    """
    try:
        rows = _rows(archive, inputs)
    except UNFIT as error:
        raise unread_graph(archive.path.name, error) from error
    return tuple(
        Values(spec.name, _text(rows.get(spec.name)) if spec.name not in given else USUAL_VALUES)
        for spec in inputs
    )


def _rows(archive: Archive, inputs: Sequence[TensorSpec]) -> dict[str, tuple[int, int]]:
    """The first and the last index that each input may hold, of those that are indices."""
    rows: dict[str, tuple[int, int]] = {}
    whole = {spec.name for spec in inputs if spec.dtype.startswith(("int", "uint"))}
    source: dict[str, Shift] = {name: (name, 0) for name in whole}
    for node in archive.graph.get("nodes", ()):
        operator = _operator(node)
        arguments = [each.get("arg", {}) for each in node.get("inputs", ())]
        if operator in _LOOKS:
            for name, (low, high) in _limits(operator, arguments, source, archive).items():
                before = rows.get(name, (low, high))
                rows[name] = max(before[0], low), min(before[1], high)
        else:
            shift = _shift(operator, arguments, source)
            written = [each["as_tensor"]["name"] for each in node["outputs"] if "as_tensor" in each]
            if shift is not None and len(written) == 1:
                source[written[0]] = shift
    return rows


def _text(ends: tuple[int, int] | None) -> str:
    if ends is None:
        return USUAL_VALUES
    low, high = ends
    return Recipe(low, max(low, high)).text


def _operator(node: Mapping[str, Any]) -> str:
    """`embedding` of `torch.ops.aten.embedding.default`; "" for what is none of torch's own."""
    parts = str(node.get("target", "")).split(".")
    return parts[3] if parts[:3] == ["torch", "ops", "aten"] and len(parts) > 3 else ""


def _tensor(argument: Mapping[str, Any]) -> str:
    return str(argument["as_tensor"]["name"]) if "as_tensor" in argument else ""


def _limits(
    operator: str,
    arguments: Sequence[Mapping[str, Any]],
    source: Mapping[str, Shift],
    archive: Archive,
) -> dict[str, tuple[int, int]]:
    """The first and the last index of the inputs that pick from a table."""
    if len(arguments) < 2:
        return {}
    weight = archive.weights.get(_tensor(arguments[0]))
    if weight is None or not weight.sizes:
        return {}
    axis, indices = 0, [_tensor(arguments[-1 if operator == "index_select" else 1])]
    if operator == "index_select":
        axis = int(arguments[1].get("as_int", 0))
    elif operator == "index":
        # One index for each axis from the first; without one, the axis stays whole.
        listed = arguments[1].get("as_tensors", ())
        indices = [str(each["name"]) for each in listed]
    found = {}
    for offset, name in enumerate(indices):
        place = axis + offset
        if name in source and -len(weight.sizes) <= place < len(weight.sizes):
            entry, added = source[name]
            found[entry] = (max(0, -added), weight.sizes[place] - 1 - added)
    return found


def _shift(
    operator: str, arguments: Sequence[Mapping[str, Any]], source: Mapping[str, Shift]
) -> Shift | None:
    """The input whose values an operation hands on, and what was added to them so far."""
    known = source.get(_tensor(arguments[0])) if arguments else None
    if known is None:
        return None
    if operator in _HANDED:
        return known
    if operator in ("add", "sub") and len(arguments) == 2 and "as_int" in arguments[1]:
        number = int(arguments[1]["as_int"])
        return known[0], known[1] + (number if operator == "add" else -number)
    return None
