"""What nodes of an optimised graph tell of the nodes that they were made of."""

from __future__ import annotations

import pytest
from onnx import NodeProto, TensorProto, helper

from hwprof.devices.onnxruntime.hints import named_tensor, steps_of
from hwprof.models.onnx.steps import Step


class Known:
    """A model file with the tensor `t`, and the node `n`, which writes `t`."""

    def tensor(self, name: str) -> str | None:
        return name if name == "t" else None

    def node(self, name: str) -> str | None:
        return "t" if name == "n" else None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("t_nchwc", "t"),
        ("t_bn_nchwc", "t"),
        ("t", None),
        ("n", "t"),
        ("n/GemmActivationFusion/", "t"),
        ("other/GemmActivationFusion/", None),
        ("other_nchwc", None),
        ("", None),
    ],
)
def test_names_of_blocked_tensors_and_of_fusions(name: str, told: str | None) -> None:
    assert named_tensor(Step((), (), name=name), Known()) == told


def step(node: NodeProto) -> Step:
    (found,) = steps_of(helper.make_graph([node], "g", [], []))
    return found


def test_a_fused_convolution_adds_and_bounds() -> None:
    found = step(helper.make_node("FusedConv", ["x", "w", "b", "z"], ["y"], activation="Relu"))
    assert (found.adds, found.then, found.moves) == ("z", "Relu", False)
    assert step(helper.make_node("Conv", ["x", "w"], ["y"])).adds == ""
    # The fourth input of another operator is no sum.
    assert step(helper.make_node("Clip", ["x", "w", "b", "z"], ["y"])).adds == ""


@pytest.mark.parametrize("op", ["ReorderInput", "ReorderOutput", "Cast", "Transpose", "Identity"])
def test_what_moves_data(op: str) -> None:
    assert step(helper.make_node(op, ["x"], ["y"])).moves
    assert not step(helper.make_node("Relu", ["x"], ["y"])).moves


def test_graphs_inside_come_along_with_what_they_take_from_outside() -> None:
    inside = helper.make_graph(
        [helper.make_node("Neg", ["outer"], ["n"])],
        "b",
        [],
        [helper.make_tensor_value_info("n", TensorProto.FLOAT, None)],
    )
    found = step(helper.make_node("If", ["c"], ["y"], then_branch=inside))
    assert list(found.reads) == ["c", "outer"]
    assert [each.op for each in found.inner["then_branch"]] == ["Neg"]
