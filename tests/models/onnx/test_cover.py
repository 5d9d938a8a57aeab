"""Which nodes of a model steps cover, told by tensors, moves, names, sums and activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from hwprof.models.onnx.cover import Coverage, cover, nodes_with_work
from hwprof.models.onnx.steps import Names, Step


def node(op: str, reads: str, writes: str, name: str = "", **attributes: object) -> NodeProto:
    return helper.make_node(op, reads.split(), writes.split(), name, **attributes)


def model(
    nodes: Sequence[NodeProto], outputs: Sequence[str] = ("y",), weights: Sequence[str] = ()
) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.full(4, i, np.float32), w) for i, w in enumerate(weights)],
    )
    return helper.make_model(graph, ir_version=8)


RESIDUAL = model(
    [
        node("Conv", "x w", "a", "conv"),
        node("Identity", "a", "handed", "hand"),
        node("Add", "handed x", "b", "sum"),
        node("Relu", "b", "c", "relu"),
        node("Softmax", "c", "y", "soft"),
    ],
    weights=["w"],
)


def by_name(step: Step, names: Names) -> str | None:
    """A runtime that calls its kernels after nodes, and its tensors after tensors."""
    return names.node(step.name) or names.tensor(step.name)


def nodes_of(found: Coverage) -> list[tuple[str, ...]]:
    return [found.nodes[str(i)] for i in range(len(found.nodes))]


def test_a_step_covers_what_lies_between_its_tensors() -> None:
    found = cover(RESIDUAL, [Step(["x", "w"], ["b"]), Step(["b"], ["y"])])
    assert nodes_of(found) == [("conv", "hand", "sum"), ("relu", "soft")]
    assert found.uncovered == ()


def test_a_new_tensor_is_known_by_what_moves_it() -> None:
    steps = [
        Step(["x"], ["blocked_x"], moves=True),
        Step(["blocked_x", "w"], ["blocked"]),
        Step(["blocked"], ["c"], moves=True),
        Step(["c"], ["y"]),
    ]
    found = nodes_of(cover(RESIDUAL, steps))
    assert found == [(), ("conv", "hand", "sum", "relu"), (), ("soft",)]


def test_a_move_that_the_model_asks_for_is_a_node_of_it() -> None:
    source = model([node("Tanh", "x", "a", "tanh"), node("Transpose", "a", "y", "turn")])
    steps = [Step(["x"], ["new"]), Step(["new"], ["y"], moves=True, op="Transpose")]
    assert nodes_of(cover(source, steps)) == [("tanh",), ("turn",)]
    # Of another operator, it only carries the result.
    steps[1] = Step(["new"], ["y"], moves=True, op="Reshape")
    assert nodes_of(cover(source, steps)) == [("tanh", "turn"), ()]


def test_a_name_gives_a_tensor_away_and_the_step_goes_on_from_there() -> None:
    rest = Step(["new"], ["y"])
    fused = Step(["x", "w", "x"], ["new"], name="conv", adds="x", then="Relu")
    assert nodes_of(cover(RESIDUAL, [fused, rest], by_name)) == [
        ("conv", "hand", "sum", "relu"),
        ("soft",),
    ]
    only_sum = Step(["x", "w", "x"], ["new"], name="conv", adds="x")
    assert nodes_of(cover(RESIDUAL, [only_sum, rest], by_name))[0] == ("conv", "hand", "sum")
    plain = Step(["x", "w"], ["new"], name="a")
    assert nodes_of(cover(RESIDUAL, [plain, rest], by_name))[0] == ("conv",)


def test_without_hints_a_new_tensor_is_nobodys() -> None:
    found = cover(RESIDUAL, [Step(["x", "w"], ["new"], name="conv"), Step(["new"], ["other"])])
    assert nodes_of(found) == [(), ()]
    assert found.uncovered == ("conv", "sum", "relu", "soft")


def test_a_name_that_the_model_lacks_tells_nothing() -> None:
    step = Step(["x", "w"], ["b"], name="somebody")
    assert nodes_of(cover(RESIDUAL, [step], by_name)) == [("conv", "hand", "sum")]


def test_outputs_left_out_are_passed_over() -> None:
    source = model([node("Split", "x", "a y", "split")])
    assert nodes_of(cover(source, [Step(["x"], ["", "y"])])) == [("split",)]


def test_equal_nodes_are_covered_together() -> None:
    source = model(
        [node("Tanh", "x", "a", "one"), node("Tanh", "x", "b", "two"), node("Mul", "a b", "y", "m")]
    )
    steps = [Step(["x"], ["a"]), Step(["a", "a"], ["y"])]
    assert nodes_of(cover(source, steps)) == [("one", "two"), ("m",)]


def test_steps_inside_a_step_are_held_against_the_graph_inside_its_node() -> None:
    inside = helper.make_graph(
        [node("Neg", "x", "n", "neg"), node("Exp", "n", "inner", "exp")],
        "then",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
    )
    source = model([node("If", "x", "y", "if", then_branch=inside, else_branch=inside)])

    def outer(steps: Mapping[str, Sequence[Step]]) -> Step:
        return Step(["x"], ["y"], op="If", inner=steps)

    found = cover(source, [outer({"then_branch": [Step(["x"], ["inner"])]})])
    assert found.nodes == {"0": ("if",), "0/then_branch/0": ("if/neg", "if/exp")}
    found = cover(source, [outer({"then_branch": [Step(["x"], ["n"])]})])
    assert found.uncovered == ("if/exp",)


def test_work_is_what_an_output_needs_and_nothing_decides_beforehand() -> None:
    source = model(
        [
            node("Mul", "w w", "folded", "folded"),
            node("Shape", "x", "s", "shape"),
            node("Tanh", "x", "unread", "unread"),
            node("Add", "x folded", "a", "live"),
            node("Reshape", "a s", "y", "idle"),
        ],
        weights=["w"],
    )
    assert nodes_with_work(source) == ("live",)


TENSORS = st.sampled_from(["x", "w", "a", "handed", "b", "c", "y", "new", "other"])
STEPS = st.builds(
    Step,
    reads=st.lists(TENSORS, min_size=1, max_size=3),
    writes=st.lists(TENSORS, min_size=1, max_size=2),
    moves=st.booleans(),
    op=st.sampled_from(["", "Identity", "Relu"]),
    name=st.sampled_from(["", "conv", "sum", "c"]),
    adds=st.sampled_from(["", "x", "new"]),
    then=st.sampled_from(["", "Relu"]),
)


@given(st.lists(STEPS, max_size=8))
def test_no_node_is_covered_twice_or_lost(steps: list[Step]) -> None:
    found = cover(RESIDUAL, steps, by_name)
    covered = [name for names in found.nodes.values() for name in names]
    assert len(covered) == len(set(covered))
    assert set(nodes_with_work(RESIDUAL)) - set(covered) == set(found.uncovered)
