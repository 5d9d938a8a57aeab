"""Which operators of a file XNNPACK took, and in which groups it runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def partitions_of(nodes: Sequence[Mapping[str, Any]]) -> tuple[tuple[int, ...], ...]:
    """Operators of each group, by their numbers in the file; groups in the order they run.

    `nodes` is what LiteRT's interpreter tells of its graph: the file's operators, then a node
    `DELEGATE` for each group, which reads and writes what the group as a whole does.
    """
    maker: dict[int, int] = {}
    groups = []
    for number, node in enumerate(nodes):
        if node["op_name"] == "DELEGATE":
            groups.append(node)
        else:
            maker.update((int(tensor), number) for tensor in node["outputs"])
    found = []
    for group in groups:
        outside = {int(tensor) for tensor in group["inputs"]}
        members: set[int] = set()
        pending = [int(tensor) for tensor in group["outputs"]]
        while pending:
            tensor = pending.pop()
            place = maker.get(tensor)
            if tensor not in outside and place is not None and place not in members:
                members.add(place)
                pending.extend(int(read) for read in nodes[place]["inputs"])
        found.append(tuple(sorted(members)))
    return tuple(found)
