"""Which source nodes each kernel covers: all of those with work, each exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from hwprof.devices.onnxruntime.hints import named_tensor, steps_of
from hwprof.models.onnx.cover import cover
from hwprof.models.onnx.graph import constant_tensors, node_names
from hwprof.opcosts import macs
from tests.devices.onnxruntime.profiled import (
    LEVELS,
    MODELS,
    Profiled,
    control_flow_model,
    profile_model,
    save_model,
)
from tests.source_kernels import source_kernels

FLOAT = np.float32


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", MODELS)
def test_real_models_are_covered_disjointly(
    real_model: Callable[[str, str], Profiled], name: str, level: str
) -> None:
    made = real_model(name, level)
    profile, extras = made.build()
    assert profile.uncovered == extras.graph.uncovered == ()
    covered = Counter(node for o in profile.occurrences for node in o.source_nodes)
    assert set(covered.values()) == {1}
    graph = onnx.load(made.source, load_external_data=False).graph
    ops = dict(zip(node_names(graph), (n.op_type for n in graph.node), strict=True))
    assert set(covered) <= set(ops)
    constant = constant_tensors(graph, overridable=False, outer=frozenset())
    shapes = {"Shape", "Size", "Cast", "Slice", "Concat", "Gather", "Unsqueeze", "Mul", "Add"}
    for node, each in zip(node_names(graph), graph.node, strict=True):
        # Whatever no kernel covers follows from constants, or may come from shapes alone.
        folded = all(output in constant for output in each.output if output)
        assert node in covered or folded or each.op_type in shapes, node


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", MODELS)
def test_fused_parts_are_covered_by_the_kernel_that_has_them(
    real_model: Callable[[str, str], Profiled], name: str, level: str
) -> None:
    made = real_model(name, level)
    graph = onnx.load(made.source, load_external_data=False).graph
    ops = dict(zip(node_names(graph), (n.op_type for n in graph.node), strict=True))
    profile, _ = made.build()
    for occurrence in profile.occurrences:
        kernel = occurrence.kernel
        inside = {ops[node] for node in occurrence.source_nodes}
        activation = kernel.attributes.get("activation")
        assert activation is None or activation in inside, occurrence.name
        residual = "Conv" in kernel.op and len(kernel.inputs) > 3
        assert not residual or inside & {"Add", "Sum"}, occurrence.name


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["squeezenet", "resnet50", "shufflenet", "densenet121"])
def test_kernels_multiply_as_often_as_the_nodes_they_cover(
    real_model: Callable[[str, str], Profiled], name: str, level: str
) -> None:
    made = real_model(name, level)
    source = source_kernels(made.source)
    profile, _ = made.build()
    for occurrence in profile.occurrences:
        kernel = occurrence.kernel
        expected = sum(macs(source[node]) or 0 for node in occurrence.source_nodes)
        if kernel.domain.endswith("nchwc"):
            # Padded channels are computed too, and a lone BatchNormalization becomes a Conv.
            assert (macs(kernel) or 0) >= expected
        else:
            assert macs(kernel) == expected, occurrence.name


def covered(made: Profiled) -> dict[str, tuple[str, ...]]:
    profile, _ = made.build()
    assert profile.uncovered == ()
    return {o.name: o.source_nodes for o in profile.occurrences}


def block(conv: str, data: str, weight: str, out: str) -> onnx.NodeProto:
    return helper.make_node("Conv", [data, weight], [out], conv, pads=[1, 1, 1, 1])


def residual_model(path: Path) -> Path:
    nodes = [
        block("c1", "x", "w1", "a"),
        helper.make_node("Relu", ["a"], ["b"], "r1"),
        block("c2", "b", "w2", "c"),
        helper.make_node("Add", ["c", "b"], ["d"]),
        helper.make_node("Relu", ["d"], ["e"], "r2"),
        helper.make_node("Identity", ["e"], ["f"], "pass"),
        helper.make_node("GlobalAveragePool", ["f"], ["y"], "pool"),
    ]
    rng = np.random.default_rng(0)
    weights = {w: rng.random((16, 16, 3, 3), FLOAT) for w in ("w1", "w2")}
    return save_model(path, nodes, {"x": [1, 16, 8, 8]}, ["y"], weights)


def test_residual_sum_and_activation_belong_to_the_convolution(tmp_path: Path) -> None:
    made = profile_model(residual_model(tmp_path / "m.onnx"), tmp_path, "all")
    groups = set(covered(made).values()) - {()}
    assert ("c2", "Add_3", "r2") in groups
    assert ("c1", "r1") in groups


def test_what_only_hands_on_does_not_hide_the_sum(tmp_path: Path) -> None:
    model = onnx.load(residual_model(tmp_path / "m.onnx"))
    (total,) = (n for n in model.graph.node if n.op_type == "Add")
    total.input[0] = "handed"
    model.graph.node.insert(3, helper.make_node("Identity", ["c"], ["handed"], "hand"))
    onnx.save(model, tmp_path / "m.onnx")
    made = profile_model(tmp_path / "m.onnx", tmp_path, "all")
    assert ("c2", "hand", "Add_4", "r2") in set(covered(made).values())


def test_equal_nodes_are_computed_once_and_covered_together(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Tanh", ["x"], ["a"], "one"),
        helper.make_node("Tanh", ["x"], ["b"], "two"),
        helper.make_node("Softmax", ["a"], ["c"], "p"),
        helper.make_node("Softmax", ["b"], ["d"], "q"),
        helper.make_node("Mul", ["c", "d"], ["y"], "product"),
    ]
    made = profile_model(save_model(tmp_path / "m.onnx", nodes, {"x": [4, 4]}, ["y"]), tmp_path)
    assert sorted(covered(made).values()) == [("one", "two"), ("p", "q"), ("product",)]


def test_folded_nodes_are_not_missed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mul", ["w", "w"], ["folded"], "folded"),
        helper.make_node("Add", ["x", "folded"], ["y"], "live"),
    ]
    model = save_model(tmp_path / "m.onnx", nodes, {"x": [4]}, ["y"], {"w": np.ones(4, FLOAT)})
    assert covered(profile_model(model, tmp_path)) == {"live": ("live",)}


def test_nodes_inside_control_flow_are_covered_inside(tmp_path: Path) -> None:
    groups = covered(profile_model(control_flow_model(tmp_path / "m.onnx"), tmp_path))
    assert groups["choose"] == ("choose",)
    assert groups["choose/first"] == ("choose/first",)
    assert groups["again/Tanh_1"] == ("again/Tanh_1",)
    assert groups["product"] == ("product",)


def test_a_node_that_no_kernel_stands_for_is_named(tmp_path: Path) -> None:
    made = profile_model(residual_model(tmp_path / "m.onnx"), tmp_path, "basic")
    optimised = onnx.load(made.optimised, load_external_data=False)
    source = onnx.load(made.source)
    # A second output of the model, which this optimised graph knows nothing of.
    source.graph.node.append(helper.make_node("Exp", ["a"], ["extra"], "forgotten"))
    source.graph.output.append(helper.make_tensor_value_info("extra", 1, None))
    assert cover(source, steps_of(optimised.graph), named_tensor).uncovered == ("forgotten",)
