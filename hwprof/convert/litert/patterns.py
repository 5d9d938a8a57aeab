"""Groups of nodes that together are one operator of LiteRT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hwprof.convert.litert.graph import Graph, Node


@dataclass(frozen=True, slots=True)
class Gelu:
    """x / 2 (1 + erf(x / sqrt 2)), spelt out by an exporter whose operator set had no Gelu."""

    input: str
    output: str
    nodes: tuple[Node, ...]


def find_gelus(graph: Graph, constants: Mapping[str, np.ndarray]) -> dict[int, Gelu]:
    """Every such group, by the index of its first node in the file.

    Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """
    found = {}
    for node in graph.nodes:
        if node.op == "Erf" and (match := _gelu(graph, node, constants)) is not None:
            found[min(member.index for member in match.nodes)] = match
    return found


def _gelu(graph: Graph, erf: Node, constants: Mapping[str, np.ndarray]) -> Gelu | None:
    scaled = graph.maker(erf.inputs[0])
    if scaled is None or graph.sole_reader(erf.inputs[0]) is not erf:
        return None
    root = {"Div": np.sqrt(2), "Mul": np.sqrt(0.5)}.get(scaled.op)
    source = None if root is None else _other_than(scaled, float(root), constants)
    plus = graph.sole_reader(erf.outputs[0])
    if source is None or plus is None or plus.op != "Add":
        return None
    if _other_than(plus, 1.0, constants) != erf.outputs[0]:
        return None
    # x, a half and (1 + erf) are multiplied in any order: two products, or one read by the other.
    members, current, pending = [scaled, erf, plus], plus.outputs[0], [source, ""]
    while pending:
        product = graph.sole_reader(current)
        if product is None or product.op != "Mul":
            return None
        other = next((name for name in product.inputs if name != current), "")
        if other == source and source in pending:
            pending.remove(source)
        elif _is(constants.get(other), 0.5) and "" in pending:
            pending.remove("")
        else:
            half = graph.maker(other)
            if (
                len(pending) != 2
                or half is None
                or half.op != "Mul"
                or _other_than(half, 0.5, constants) != source
                or graph.sole_reader(other) is not product
            ):
                return None
            members.append(half)
            pending = []
        members.append(product)
        current = product.outputs[0]
    return Gelu(source, current, tuple(members))


def _other_than(node: Node, value: float, constants: Mapping[str, np.ndarray]) -> str | None:
    """The operand beside a constant; of a quotient, what is divided."""
    first, second = node.inputs[0], node.inputs[1]
    if _is(constants.get(second), value):
        return first
    return second if node.op != "Div" and _is(constants.get(first), value) else None


def _is(array: np.ndarray | None, value: float) -> bool:
    return array is not None and array.size == 1 and abs(float(array.item()) - value) < 1e-4
