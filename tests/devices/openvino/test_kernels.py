"""From OpenVINO's runtime model and reports to kernels, and back to nodes of the ONNX file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hwprof.devices.base import ProfiledRun
from hwprof.devices.openvino import OpenVinoCpu
from hwprof.devices.openvino.coverage import cover_runtime
from hwprof.devices.openvino.kernels import Report, build_profile
from hwprof.devices.openvino.runtime_model import RuntimeNode
from hwprof.errors import MeasurementError
from hwprof.graph import TensorSpec
from hwprof.models.load import load_model
from hwprof.profile import KernelOccurrence
from hwprof.samples import Samples
from tests.devices.openvino.conftest import Saved

VALUE, NODE = helper.make_tensor_value_info, helper.make_node
SPEC = TensorSpec("", "float32", (1, 4))


def profiled(path: Path, **shapes: list[int]) -> ProfiledRun:
    with OpenVinoCpu().open(load_model(path, shapes=shapes)) as session:
        return session.profile(3)


def covering(run: ProfiledRun, node: str) -> KernelOccurrence:
    (found,) = [o for o in run.profile.occurrences if node in o.source_nodes]
    return found


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "resnet50", "densenet121"])
def test_every_node_with_work_is_covered_once(name: str, light: Path) -> None:
    run = profiled(light / f"light_{name}.onnx")
    covered = [node for o in run.profile.occurrences for node in o.source_nodes]
    assert len(covered) == len(set(covered))
    assert run.profile.uncovered == ()
    # What changes layout stands for no node; every other kernel stands for one at least.
    strangers = [o for o in run.profile.occurrences if not o.source_nodes]
    assert {o.kernel.op for o in strangers} <= {"Reorder"}


def test_a_fused_kernel_names_its_nodes_and_their_attributes(squeezenet: Path) -> None:
    run = profiled(squeezenet)
    first = covering(run, "n0")
    assert first.source_nodes == ("n0", "n1")
    kernel = first.kernel
    assert (kernel.domain, kernel.op) == ("org.openvino", "Convolution")
    assert kernel.attributes["ops"].startswith("Conv(")
    assert "strides=2,2" in kernel.attributes["ops"]
    assert kernel.attributes["ops"].endswith(")+Relu")
    assert kernel.attributes["out"] == "float32[1,64,111,111]"
    assert [t and (t.shape, t.constant) for t in kernel.inputs] == [
        ((1, 3, 224, 224), False),
        ((64, 3, 3, 3), True),
        ((64,), True),
    ]
    # Weights and biases of 26 convolutions.
    assert run.weights_bytes is not None
    assert abs(run.weights_bytes / (1_235_496 * 4) - 1) < 0.001


def test_equal_kernels_share_a_key_and_different_ones_do_not(squeezenet: Path) -> None:
    run = profiled(squeezenet)
    assert covering(run, "n7").kernel.key == covering(run, "n14").kernel.key
    assert covering(run, "n7").kernel.key != covering(run, "n22").kernel.key


def test_durations_are_seconds_of_each_run(squeezenet: Path) -> None:
    profile = profiled(squeezenet).profile
    total = sum(o.durations_s for o in profile.occurrences)
    assert total.shape == profile.run_wall_s.shape
    # Kernels are most of a run, and cannot be more than it but for rounding to microseconds.
    rounding = 1e-6 * len(profile.occurrences)
    assert (
        profile.run_wall_s.sum() * 0.3
        < total.sum()
        < profile.run_wall_s.sum() + total.size * rounding
    )


def test_kernels_below_a_microsecond_are_kernels(saved: Saved) -> None:
    length = 12
    run = profiled(
        saved(
            [NODE("Sin", [f"t{i}"], [f"t{i + 1}"], name=f"s{i}") for i in range(length)],
            [VALUE("t0", TensorProto.FLOAT, [1, 4])],
            [VALUE(f"t{length}", TensorProto.FLOAT, [1, 4])],
        )
    )
    assert [o.source_nodes for o in run.profile.occurrences] == [(f"s{i}",) for i in range(length)]
    assert len({o.kernel.key for o in run.profile.occurrences}) == 1


def test_a_quantised_model_runs_in_integers(quantised: Path) -> None:
    run = profiled(quantised)
    conv = covering(run, "conv")
    assert {"conv", "relu"} <= set(conv.source_nodes)
    assert conv.kernel.inputs[1] is not None
    assert conv.kernel.inputs[1].dtype == "int8"
    assert conv.kernel.attributes["precision"] in {"u8", "i8"}
    assert run.weights_bytes == 32 * 16 * 3 * 3


def test_converted_outputs_keep_their_nodes(mixed: Path) -> None:
    run = profiled(mixed)
    assert run.profile.uncovered == ()
    assert covering(run, "twice").kernel.attributes["ops"] == "Add"


def test_branches_go_with_their_kernel(saved: Saved) -> None:
    inner = [
        helper.make_graph(
            [NODE(op, ["x"], [op], name=op.lower())], op, [], [VALUE(op, TensorProto.FLOAT, [1, 4])]
        )
        for op in ("Relu", "Neg")
    ]
    path = saved(
        [
            NODE("ReduceMax", ["x"], ["m"], name="most", keepdims=0),
            NODE("Greater", ["m", "z"], ["c"], name="greater"),
            NODE("If", ["c"], ["y"], name="if", then_branch=inner[0], else_branch=inner[1]),
        ],
        [VALUE("x", TensorProto.FLOAT, [1, 4])],
        [VALUE("y", TensorProto.FLOAT, [1, 4])],
        {"z": np.asarray(np.float32(0.5))},
    )
    run = profiled(path)
    branch = covering(run, "if")
    assert set(branch.source_nodes) == {"if", "if/relu", "if/neg"}
    # The profiler does not look inside: such a kernel is compared with no other model's.
    assert load_model(path).subject.sha256[:16] in branch.kernel.key
    assert run.weights_bytes is None


def test_shapes_that_the_run_decides_stay_open(saved: Saved) -> None:
    path = saved(
        [NODE("NonZero", ["x"], ["n"], name="nz"), NODE("Cast", ["n"], ["y"], name="c", to=1)],
        [VALUE("x", TensorProto.FLOAT, [16, 16])],
        [VALUE("y", TensorProto.FLOAT, [2, "k"])],
    )
    with OpenVinoCpu().open(load_model(path)) as session:
        (found,) = session.outputs()
        run = session.profile(2)
    assert found.shape == (2, 256)
    assert "nz" in covering(run, "nz").source_nodes


def test_open_dimensions_are_decided_before_compiling(saved: Saved) -> None:
    path = saved(
        [NODE("MatMul", ["x", "w"], ["y"], name="mm")],
        [VALUE("x", TensorProto.FLOAT, ["rows", 64])],
        [VALUE("y", TensorProto.FLOAT, ["rows", 16])],
        {"w": np.ones((64, 16), dtype=np.float32)},
    )
    run = profiled(path, x=[3, 64])
    kernel = covering(run, "mm").kernel
    assert "place" not in kernel.attributes
    # The bias is left out.
    assert [t and t.shape for t in kernel.inputs] == [(3, 64), (16, 64), None]
    # Two integers say how the weights are turned.
    assert run.weights_bytes == 64 * 16 * 4 + 2 * 4


def test_constants_that_decide_costs_are_in_the_key(saved: Saved) -> None:
    path = saved(
        [
            NODE("ReduceSum", ["x", "axes"], ["r"], name="sum"),
            NODE("Pow", ["r", "e"], ["p"], name="pow"),
            NODE("TopK", ["p", "k"], ["v", "i"], name="top"),
        ],
        [VALUE("x", TensorProto.FLOAT, [4, 5, 6])],
        [VALUE("v", TensorProto.FLOAT, [4, 1, 3]), VALUE("i", TensorProto.INT64, [4, 1, 3])],
        {"axes": np.array([1]), "e": np.asarray(np.float32(1.5)), "k": np.array([3])},
    )
    run = profiled(path)
    assert covering(run, "sum").kernel.attributes["ops"] == "ReduceSum(#1=(1))"
    assert covering(run, "pow").kernel.attributes["ops"] == "Pow(#1=1.5)"
    assert covering(run, "top").kernel.attributes["ops"] == "TopK(#1=(3))"


def node(name: str, kind: str, layers: tuple[str, ...], *producers: str) -> RuntimeNode:
    """A runtime node by hand."""
    inputs = tuple(SPEC for _ in producers)
    layouts = tuple("ab" for _ in producers)
    primitive = "unknown_f32" if kind in ("Input", "Output", "Reshape") else "jit_f32"
    return RuntimeNode(
        name, kind, primitive, "f32", layers, "ab", producers, inputs, (SPEC,), layouts, False
    )


def chain_proto(names: list[str]) -> onnx.ModelProto:
    """x -> Relu -> ... -> y, the nodes named as told."""
    last = len(names)
    nodes = [
        NODE("Relu" if i % 2 else "Neg", [f"t{i}"], [f"t{i + 1}"], name=name)
        for i, name in enumerate(names)
    ]
    ends = (VALUE("t0", TensorProto.FLOAT, [1, 4]), VALUE(f"t{last}", TensorProto.FLOAT, [1, 4]))
    graph = helper.make_graph(nodes, "chain", [ends[0]], [ends[1]])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_names_with_commas_are_put_together_again() -> None:
    nodes = [node("t0", "Input", ("t0",)), node("k", "Eltwise", ("c", "a", "b"), "t0")]
    found = cover_runtime(chain_proto(["c", "a,b"]), nodes, [False, True])
    assert found.nodes == ((), ("c", "a,b"))
    assert found.uncovered == ()


def test_a_lost_name_is_found_between_its_neighbours() -> None:
    nodes = [
        node("t0", "Input", ("t0",)),
        node("Multiply_7", "Eltwise", ("Multiply_7", "b"), "t0"),
        node("d", "Eltwise", ("d",), "Multiply_7"),
    ]
    found = cover_runtime(chain_proto(["a", "b", "c", "d"]), nodes, [False, True, True])
    assert found.nodes[1:] == (("a", "b"), ("c", "d"))


def test_what_was_optimised_away_goes_to_its_reader_or_its_source() -> None:
    nodes = [
        node("t0", "Input", ("t0",)),
        node("a", "Eltwise", ("a",), "t0"),
        node("b", "Reshape", ("b",), "a"),
        node("c", "Eltwise", ("c",), "b"),
        node("d", "Reshape", ("d",), "c"),
    ]
    executed = [False, True, False, True, False]
    found = cover_runtime(chain_proto(["a", "b", "c", "d"]), nodes, executed)
    assert found.nodes == ((), ("a",), (), ("b", "c", "d"), ())
    # It costs its heir nothing, so it is not in what the heir is known by.
    assert found.own[3] == ("c",)
    alone = cover_runtime(chain_proto(["a", "b", "c", "d"]), nodes, [False] * 5)
    assert set(alone.uncovered) == {"a", "b", "c", "d"}


def test_reports_must_belong_together() -> None:
    source = chain_proto(["a", "b"])
    nodes = [node("t0", "Input", ("t0",)), node("a", "Eltwise", ("a", "b"), "t0")]
    reports = [[Report("a", 5)], [Report("a", 5)]]
    profile = build_profile(source, "id", nodes, reports, Samples(np.array([1e-5])))
    (only,) = profile.occurrences
    assert only.durations_s == pytest.approx([5.5e-6], abs=1e-6)
    with pytest.raises(MeasurementError, match="other kernels in one run"):
        build_profile(
            source, "id", nodes, [reports[0], [Report("b", 5)]], Samples(np.array([1e-5]))
        )


def test_nodes_of_one_name_are_told_apart() -> None:
    nodes = [
        node("t0", "Input", ("t0",)),
        node("a", "Eltwise", ("a",), "t0"),
        dataclasses.replace(node("a", "Eltwise", ("b",), "a"), precision="i32"),
    ]
    reports = [[Report("a", 5), Report("a", 9)]] * 2
    profile = build_profile(chain_proto(["a", "b"]), "id", nodes, reports, Samples(np.ones(1)))
    assert [o.name for o in profile.occurrences] == ["a", "a#2"]
    assert [float(o.durations_s[0]) for o in profile.occurrences] == pytest.approx(
        [5.5e-6, 9.5e-6], abs=1e-6
    )
