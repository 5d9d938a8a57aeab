"""Kernels are led back to nodes of the file, and named by what they do."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from hwprof.convert.tvm.importing import import_onnx
from hwprof.devices.tvm import TvmCpu
from hwprof.devices.tvm.profiling import UNTRACED, operator
from hwprof.devices.tvm.runtime import import_runtime
from hwprof.models.load import load_model
from hwprof.profile import Profile


def profiled(path: Path, pipeline: str = "zero", **inputs: str) -> tuple[Profile, str]:
    model = load_model(path, inputs=inputs or None)
    with TvmCpu(pipeline=pipeline).open(model) as session:
        run = session.profile(2)
    return run.profile, run.mapping


@pytest.fixture
def residual(tmp_path: Path) -> Path:
    """Two equal branches, a normalisation, an unnamed node, a reshape and a softmax."""
    rng_weight = helper.make_tensor("w", TensorProto.FLOAT, [4, 4, 1, 1], [0.1] * 16)
    stats = [helper.make_tensor(n, TensorProto.FLOAT, [4], [1.0] * 4) for n in "gbmv"]
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [1, -1])
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c1"], name="left"),
        helper.make_node("Conv", ["x", "w", "b"], ["c2"], name="right"),
        helper.make_node("BatchNormalization", ["c1", "g", "b", "m", "v"], ["n1"], name="norm"),
        helper.make_node("Relu", ["n1"], ["r1"], name="relu"),
        helper.make_node("Add", ["r1", "c2"], ["s"]),
        helper.make_node("Reshape", ["s", "shape"], ["flat"], name="reshape"),
        helper.make_node("Softmax", ["flat"], ["y"], name="softmax"),
    ]
    graph = helper.make_graph(
        nodes,
        "residual",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 256])],
        [rng_weight, *stats, shape],
    )
    path = tmp_path / "residual.onnx"
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, str(path))
    return path


@pytest.mark.parametrize("pipeline", ["zero", "static_shape_tuning", "default"])
def test_every_node_with_work_is_covered(pipeline: str, residual: Path) -> None:
    profile, mapping = profiled(residual, pipeline)
    assert mapping.startswith("by the operands")
    assert profile.uncovered == ()
    by_node = {n: o for o in profile.occurrences for n in o.source_nodes}
    assert {"left", "right", "norm", "relu", "Add_4", "softmax"} <= set(by_node)
    for node, word in [("left", "conv2d"), ("right", "conv2d"), ("softmax", "softmax")]:
        assert word in by_node[node].kernel.op
    # They compute the same, so only their order tells them apart.
    order = [node for o in profile.occurrences for node in o.source_nodes]
    assert order.index("left") < order.index("right")
    assert by_node["left"] is not by_node["right"]


def test_fused_nodes_share_a_kernel(mlp: Path) -> None:
    profile, _ = profiled(mlp)
    (only,) = profile.occurrences
    assert only.kernel.op == "fused_matmul_add_relu"
    assert only.source_nodes == ("mm", "add", "relu")
    assert [o.source_nodes for o in profiled(mlp, "default")[0].occurrences] == [
        ("mm",),
        ("add",),
        ("relu",),
    ]


def test_equal_kernels_share_a_key_and_others_do_not(tmp_path: Path) -> None:
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, [4, 4, 3, 3], [value] * 144)
        for name, value in (("a", 0.1), ("b", 0.2), ("c", 0.3))
    ]
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["t"], name="one", pads=[1] * 4),
        helper.make_node("Conv", ["t", "b"], ["u"], name="two", pads=[1] * 4),
        # Of equal shapes, with another padding.
        helper.make_node("Conv", ["u", "c"], ["y"], name="three", pads=[2, 2, 0, 0]),
    ]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 8, 8])
    graph = helper.make_graph(nodes, "convs", [image], [answer], weights)
    path = tmp_path / "convs.onnx"
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, str(path))
    profile, _ = profiled(path)
    one, two, three = profile.occurrences
    assert [o.source_nodes for o in profile.occurrences] == [("one",), ("two",), ("three",)]
    assert (one.name, two.name) == ("conv2d", "conv2d#2")
    assert one.kernel.key == two.kernel.key != three.kernel.key
    assert one.kernel.op == three.kernel.op == "conv2d"
    assert [t.constant for t in one.kernel.inputs if t] == [False, True]
    assert [t.shape for t in one.kernel.inputs if t] == [(1, 4, 8, 8), (4, 4, 3, 3)]
    assert [t.shape for t in one.kernel.outputs if t] == [(1, 4, 8, 8)]


def test_branches_are_not_led_back(tmp_path: Path) -> None:
    def branch(op: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{op}_y", TensorProto.FLOAT, [4])
        return helper.make_graph([helper.make_node(op, ["x"], [f"{op}_y"])], op, [], [out])

    graph = helper.make_graph(
        [
            helper.make_node(
                "If", ["c"], ["y"], name="if", then_branch=branch("Exp"), else_branch=branch("Sin")
            )
        ],
        "branches",
        [
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [4]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
    )
    path = tmp_path / "branches.onnx"
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, str(path))
    profile, mapping = profiled(path, c="true")
    assert mapping == UNTRACED
    assert [o.source_nodes for o in profile.occurrences] == [()]
    assert profile.uncovered == ()


@pytest.mark.parametrize("name", ["shufflenet", "densenet121"])
def test_the_import_is_the_one_of_tvm(name: str, light: Path) -> None:
    tvm = import_runtime()
    import tvm_ffi
    from tvm.relax.frontend.onnx import from_onnx

    path = light / f"light_{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = from_onnx(onnx.load(str(path)), keep_params_in_input=False)
    ours = import_onnx(tvm, load_model(path))
    assert tvm_ffi.structural_equal(ours.module, theirs)
    assert {"n0", "n100"} <= set(ours.owners.values())


def test_numbers_in_names_are_left_out() -> None:
    assert operator("fused_conv2d12_add3_relu") == "fused_conv2d_add_relu"
    assert operator("conv2d") == "conv2d"
    assert operator("avg_pool3d1") == "avg_pool3d"
