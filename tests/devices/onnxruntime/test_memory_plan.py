"""The simulated allocation plan, by hand and against what the arena was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from hwprof.devices.onnxruntime.memory_plan import planned_activation_bytes
from hwprof.graph import Graph, Kernel, Node, TensorSpec
from tests.devices.onnxruntime.profiled import LEVELS, MODELS, Profiled


def requested_peak(made: Profiled) -> int:
    """Most bytes the arena was asked for at once in the last run, above what it held before."""
    events = [e for e in json.loads(made.trace.read_text()) if e["cat"] == "Node"]
    last = events[-(len(events) // made.runs) :]
    asked = [int(e["args"]["mem_bytes_requested_in_use"]) for e in last]
    return max(asked) - (asked[0] - int(last[0]["args"]["mem_requested_in_use_delta"]))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", MODELS)
def test_plan_is_what_the_arena_was_asked_for(
    real_model: Callable[[str, str], Profiled], name: str, level: str
) -> None:
    made = real_model(name, level)
    _, extras = made.build()
    assert extras.planned_activation_bytes is not None
    assert extras.arena_peak_bytes is not None
    assert extras.planned_activation_bytes == pytest.approx(requested_peak(made), rel=0.02)
    assert extras.planned_activation_bytes <= extras.arena_peak_bytes


def make_graph(
    nodes: Sequence[tuple[str, Sequence[str], str, tuple[int, ...]]], outputs: Sequence[str]
) -> Graph:
    """Nodes as (operator, inputs, output, shape of the output in int8); `x` has 100 bytes."""
    specs = {"x": TensorSpec("x", "int8", (100,))}
    made = []
    for op, reads, written, shape in nodes:
        specs[written] = TensorSpec(written, "int8", shape)
        inputs = tuple(specs[name] for name in reads)
        kernel = Kernel("", op, {}, inputs, (specs[written],))
        made.append(Node(written, kernel, tuple(dict.fromkeys(reads)), (written,)))
    return Graph((specs["x"],), tuple(outputs), tuple(made))


def test_in_place_only_where_nobody_else_reads() -> None:
    chain = [("Exp", "x", "a", (100,)), ("Relu", "a", "b", (100,)), ("Exp", "b", "y", (100,))]
    assert planned_activation_bytes(make_graph(chain, ["y"])) == 200
    shared = [*chain[:2], ("Add", "ab", "y", (100,))]
    assert planned_activation_bytes(make_graph(shared, ["y"])) == 300


def test_reading_a_tensor_twice_is_reading_it_twice() -> None:
    nodes = [("Exp", "x", "a", (100,)), ("Mul", "aa", "b", (100,)), ("Exp", "b", "y", (10,))]
    assert planned_activation_bytes(make_graph(nodes, ["y"])) == 200


def test_freed_buffers_serve_the_same_shape_only() -> None:
    def nodes(shape: tuple[int, ...]) -> list[tuple[str, str, str, tuple[int, ...]]]:
        return [
            ("Exp", "x", "a", (100,)),
            ("Exp", "a", "b", (60,)),
            ("Exp", "b", "c", shape),  # may lie where a lay
            ("Exp", "c", "y", (1,)),
        ]

    # The chain a, c keeps its buffer until c dies: never more than a and b together.
    assert planned_activation_bytes(make_graph(nodes((100,)), ["y"])) == 160
    assert planned_activation_bytes(make_graph(nodes((10, 11)), ["y"])) == 170


def test_views_take_no_memory() -> None:
    nodes = [
        ("Reshape", "x", "a", (10, 10)),
        ("Exp", "a", "b", (10, 10)),
        ("Flatten", "b", "c", (1, 100)),
        ("Exp", "c", "y", (1,)),
    ]
    assert planned_activation_bytes(make_graph(nodes, ["y"])) == 101


def test_open_shapes_share_nothing() -> None:
    nodes = [("Exp", "x", "a", (100,)), ("Relu", "a", "b", (100,)), ("Exp", "b", "y", (1,))]
    graph = make_graph(nodes, ["y"])
    assert planned_activation_bytes(graph) == 101
    assert planned_activation_bytes(graph, ["x"]) == 200


def test_tensor_without_a_size_leaves_the_plan_unknown() -> None:
    words = TensorSpec("w", "string", (3,))
    node = Node("n", Kernel("", "Exp", {}, (), (words,)), (), ("w",))
    assert planned_activation_bytes(Graph((), ("w",), (node,))) is None
