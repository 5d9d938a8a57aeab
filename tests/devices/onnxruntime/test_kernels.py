"""Joining trace and optimised graph, and what makes two kernels the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from hwprof.devices.onnxruntime.join import constants, join
from hwprof.devices.onnxruntime.kernels import Extras, weights_bytes
from hwprof.devices.onnxruntime.trace import Trace, parse_profile
from hwprof.errors import MeasurementError, ModelError
from hwprof.graph import TensorSpec
from hwprof.models.onnx.attributes import canonical_attributes, structure_hash
from hwprof.profile import Profile
from tests.devices.onnxruntime.profiled import (
    Profiled,
    control_flow_model,
    profile_model,
    save_model,
)

FLOAT = np.float32


def build(tmp_path: Path, *args: object, level: str = "all", **more: object) -> Profile:
    model = save_model(tmp_path / "m.onnx", *args, **more)  # type: ignore[arg-type]
    return profile_model(model, tmp_path, level).build()[0]


def two_layers(prefix: str = "") -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    p = prefix
    nodes = [
        helper.make_node("Conv", [f"{p}x", f"{p}w1"], [f"{p}a"], f"{p}c1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", [f"{p}a"], [f"{p}b"], f"{p}r1"),
        helper.make_node("Conv", [f"{p}b", f"{p}w2"], [f"{p}c"], f"{p}c2", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", [f"{p}c"], [f"{p}y"], f"{p}r2"),
    ]
    rng = np.random.default_rng(0)
    weights = {f"{p}w{i}": rng.random((16, 16, 3, 3), FLOAT) for i in (1, 2)}
    return nodes, weights


@pytest.mark.parametrize("level", ["basic", "extended", "all"])
@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "densenet121", "resnet50"])
def test_every_node_of_a_real_model_becomes_a_kernel(
    real_model: Callable[[str, str], Profiled], name: str, level: str
) -> None:
    made = real_model(name, level)
    profile, extras = made.build()
    optimised = onnx.load(made.optimised, load_external_data=False).graph
    assert len(profile.occurrences) == len(optimised.node) == len(extras.graph.nodes)
    assert len({o.name for o in profile.occurrences}) == len(profile.occurrences)
    assert extras.providers == {"CPUExecutionProvider"}
    assert all(o.calls == 1 for o in profile.occurrences)
    assert profile.node_cost_s is None
    assert all(o.durations_s.shape == (2,) for o in profile.occurrences)
    for occurrence in profile.occurrences:
        tensors = (*occurrence.kernel.inputs, *occurrence.kernel.outputs)
        assert all(t is None or t.nbytes is not None for t in tensors), occurrence.name
    assert [t.shape for t in extras.graph.inputs if "data_0" in t.name] == [(1, 3, 224, 224)]


def test_key_shows_what_decides_the_cost(real_model: Callable[[str, str], Profiled]) -> None:
    profile, _ = real_model("squeezenet", "all").build()
    fused = next(o.kernel for o in profile.occurrences if o.name == "r8_nchwc")
    assert fused.key == (
        "com.microsoft.nchwc:Conv{activation=Relu;auto_pad=NOTSET;dilations=1,1;group=1;"
        "kernel_shape=3,3;pads=1,1,1,1;strides=1,1}"
        "(float32[1,16,55,55],const float32[64,16,3,3],const float32[64])"
    )


def test_repeated_layers_share_a_key(real_model: Callable[[str, str], Profiled]) -> None:
    profile, _ = real_model("resnet50", "extended").build()
    convolutions = Counter(o.kernel.key for o in profile.occurrences if "Conv" in o.kernel.op)
    assert convolutions.most_common(1)[0][1] >= 5


def test_names_of_the_runtime_are_free_of_its_counters(
    real_model: Callable[[str, str], Profiled],
) -> None:
    profile, _ = real_model("shufflenet", "all").build()
    names = [o.name for o in profile.occurrences if o.kernel.op == "ReorderInput"]
    assert names[:2] == ["ReorderInput", "ReorderInput#2"]


def keys(profile: Profile) -> list[str]:
    return [o.kernel.key for o in profile.occurrences]


def test_key_does_not_know_names(tmp_path: Path) -> None:
    found = []
    for prefix in ("", "some/other/scope."):
        nodes, weights = two_layers(prefix)
        folder = tmp_path / str(len(found))
        folder.mkdir()
        found.append(
            keys(build(folder, nodes, {f"{prefix}x": [1, 16, 8, 8]}, [f"{prefix}y"], weights))
        )
    assert found[0] == found[1]
    convolutions = [key for key in found[0] if ":Conv" in key]
    assert len(convolutions) == 2
    assert len(set(convolutions)) == 1


def test_key_is_the_same_in_another_process(tmp_path: Path) -> None:
    nodes, weights = two_layers()
    here = build(tmp_path, nodes, {"x": [1, 16, 8, 8]}, ["y"], weights)
    code = (
        "import sys, json; from pathlib import Path; "
        "from tests.devices.onnxruntime.profiled import profile_model; "
        "folder = Path(sys.argv[1]); "
        "profile, _ = profile_model(folder / 'm.onnx', folder).build(); "
        "print(json.dumps([o.kernel.key_hash for o in profile.occurrences]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
        env={"PYTHONHASHSEED": "7", "PATH": ""},
    )
    assert json.loads(done.stdout) == [o.kernel.key_hash for o in here.occurrences]


names = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=8)


@settings(max_examples=50, deadline=None)
@given(st.lists(names, min_size=8, max_size=8, unique=True), st.randoms())
def test_attributes_depend_on_neither_names_nor_order(fresh: list[str], random: object) -> None:
    def node(a: list[str], shuffled: bool) -> onnx.NodeProto:
        body = helper.make_graph(
            [helper.make_node("Add", [a[0], a[1]], [a[2]], a[3], alpha=0.1)],
            a[4],
            [],
            [helper.make_tensor_value_info(a[2], 1, [1])],
        )
        made = helper.make_node("If", [a[5]], [a[6]], a[7], then_branch=body, depth=3, rate=0.01)
        if shuffled:
            attributes = list(made.attribute)
            random.shuffle(attributes)  # type: ignore[attr-defined]
            del made.attribute[:]
            made.attribute.extend(attributes)
        return made

    plain = canonical_attributes(node(list("abcdefgh"), False), (), 17)
    assert list(canonical_attributes(node(fresh, True), (), 17).items()) == list(plain.items())
    assert plain["rate"] == "0.01"


def test_structure_hash_tells_wiring_apart() -> None:
    def graph(right: str) -> onnx.GraphProto:
        nodes = [helper.make_node("Sub", ["a", right], ["c"])]
        return helper.make_graph(nodes, "g", [], [helper.make_tensor_value_info("c", 1, [1])])

    assert structure_hash(graph("a")) != structure_hash(graph("b"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, "7"),
        (0.2, "0.2"),
        (1e-5, "1e-05"),
        ("linear", "linear"),
        ([1, 2], "1,2"),
        ([0.1, 2.0], "0.1,2.0"),
        (["a", "b"], "a,b"),
        (numpy_helper.from_array(np.array([3, 4], np.int64)), "int64[2]=(3,4)"),
        (numpy_helper.from_array(np.zeros((2, 9), np.int64)), "int64[2,9]"),
        (numpy_helper.from_array(np.array([0.5], FLOAT)), "float32[1]"),
    ],
)
def test_attribute_texts(value: object, expected: str) -> None:
    node = helper.make_node("Op", ["x"], ["y"], which=value)
    assert canonical_attributes(node, (), 17) == {"which": expected}


def test_long_lists_are_hashed() -> None:
    texts = [
        canonical_attributes(helper.make_node("Op", [], [], many=list(range(n))), (), 17)["many"]
        for n in (100, 101)
    ]
    assert all(text.startswith("#") and len(text) == 17 for text in texts)
    assert texts[0] != texts[1]


def test_defaults_are_spelled_out_and_idle_attributes_dropped() -> None:
    weight = TensorSpec("w", "float32", (8, 4, 3, 3), True)
    data = TensorSpec("x", "float32", (1, 4, 9, 9))
    bare = canonical_attributes(helper.make_node("Conv", ["x", "w"], ["y"]), (data, weight), 17)
    full = helper.make_node(
        "Conv",
        ["x", "w"],
        ["y"],
        kernel_shape=[3, 3],
        strides=[1, 1],
        pads=[0] * 4,
        group=1,
        dilations=[1, 1],
        auto_pad="NOTSET",
    )
    assert bare == canonical_attributes(full, (data, weight), 17)
    norm = helper.make_node("LayerNormalization", ["x"], ["y"], epsilon=1e-5, axis=-1)
    assert canonical_attributes(norm, (data,), 17) == {"axis": "-1"}


def test_softmax_of_old_opsets_is_another_kernel() -> None:
    node = helper.make_node("Softmax", ["x"], ["y"], axis=1)
    assert canonical_attributes(node, (), 12) != canonical_attributes(node, (), 13)


def test_small_integer_constants_belong_to_the_key(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Slice", ["x", "from", "to"], ["a"]),
        helper.make_node("Mul", ["a", "f"], ["y"]),
    ]
    constants = {
        "from": np.array([0, 1], np.int64),
        "to": np.array([2, 7], np.int64),
        "f": np.array([2, 3, 4, 5, 6, 7], FLOAT),
    }
    sliced, product = keys(build(tmp_path, nodes, {"x": [4, 8]}, ["y"], constants))
    assert "const int64[2]=(0,1),const int64[2]=(2,7)" in sliced
    assert product == "ai.onnx:Mul{}(float32[2,6],const float32[6])"


def test_integer_constants_of_quantised_kernels_do_not(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node(
            "QLinearConv", ["q", "s", "z", "w", "s", "z", "s", "z", "bias"], ["r"], "conv"
        ),
        helper.make_node("DequantizeLinear", ["r", "s", "z"], ["y"]),
    ]
    constants = {
        "s": np.array(0.1, FLOAT),
        "z": np.array(3, np.uint8),
        "w": np.ones((4, 4, 1, 1), np.uint8),
        "bias": np.arange(4, dtype=np.int32),
    }
    profile = build(tmp_path, nodes, {"x": [1, 4, 5, 5]}, ["y"], constants)
    convolution = next(o.kernel for o in profile.occurrences if o.kernel.op == "QLinearConv")
    assert "const int32[4]" in convolution.key
    assert "=(" not in convolution.key


def test_output_shape_is_told_where_floats_decide_it(tmp_path: Path) -> None:
    found = []
    for factor in (2.0, 3.0):
        folder = tmp_path / str(factor)
        folder.mkdir()
        node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")
        scales = {"scales": np.array([1, 1, factor, factor], FLOAT)}
        found += keys(build(folder, [node], {"x": [1, 3, 4, 4]}, ["y"], scales, level="basic"))
    assert "out=float32[1,3,8,8]" in found[0]
    assert "out=float32[1,3,12,12]" in found[1]


def chain(path: Path) -> Path:
    """Three products of different sizes with an unnamed Tanh after each."""
    shapes = [4, 6, 8, 10]
    nodes, constants = [], {}
    for i, size in enumerate(shapes[1:]):
        constants[f"w{i}"] = np.full((shapes[i], size), 0.1, FLOAT)
        # The last is called as the runtime calls an unnamed one.
        name = ["one", "two", "Tanh_1"][i]
        nodes.append(helper.make_node("MatMul", [f"t{i}", f"w{i}"], [f"m{i}"], name))
        nodes.append(helper.make_node("Tanh", [f"m{i}"], [f"t{i + 1}"]))
    return save_model(path, nodes, {"t0": [3, 4]}, ["t3"], constants)


def sizes(profile: Profile, op: str) -> list[int]:
    kernels = [o.kernel for o in profile.occurrences if o.kernel.op == op]
    return [k.outputs[0].shape[1] for k in kernels if k.outputs[0]]


@pytest.mark.parametrize("level", ["basic", "all"])
def test_unnamed_nodes_join(tmp_path: Path, level: str) -> None:
    profile, _ = profile_model(chain(tmp_path / "m.onnx"), tmp_path, level).build()
    assert sizes(profile, "MatMul") == sizes(profile, "Tanh") == [6, 8, 10]
    assert [o.name for o in profile.occurrences if o.kernel.op == "MatMul"] == [
        "one",
        "two",
        "Tanh_1#2",
    ]


def test_equally_named_nodes_join(tmp_path: Path) -> None:
    made = profile_model(chain(tmp_path / "m.onnx"), tmp_path, "basic")
    # The runtime refuses such a model, but may itself name two nodes alike.
    optimised = onnx.load(made.optimised, load_external_data=False)
    for node in optimised.graph.node:
        node.name = "one" if node.name == "two" else node.name
    onnx.save(optimised, made.optimised)
    made.trace.write_text(made.trace.read_text().replace('"two_kernel_time"', '"one_kernel_time"'))
    profile, _ = made.build()
    assert sizes(profile, "MatMul") == [6, 8, 10]
    names = [o.name for o in profile.occurrences if o.kernel.op == "MatMul"]
    assert names == ["one", "one#2", "Tanh_1#2"]


def test_shapes_decide_when_the_order_does_not(tmp_path: Path) -> None:
    nodes, constants = [], {}
    for i, size in enumerate((5, 6, 7)):
        constants[f"w{i}"] = np.ones((4, size), FLOAT)
        nodes.append(helper.make_node("MatMul", ["x", f"w{i}"], [f"m{i}"]))
        nodes.append(helper.make_node("Tanh", [f"m{i}"], [f"t{i}"]))
    model = save_model(tmp_path / "m.onnx", nodes, {"x": [3, 4]}, ["t0", "t1", "t2"], constants)
    made = profile_model(model, tmp_path, "basic")
    trace = parse_profile(made.trace, 2)
    tanh = {n.outputs[0].shape: n.durations_s for n in trace.nodes if n.op == "Tanh"}
    backwards = Trace(
        tuple(replace(n, slot=len(trace.nodes) - n.slot) for n in reversed(trace.nodes)),
        trace.run_s,
    )
    graph = onnx.load(made.optimised, load_external_data=False)
    placed, _ = join(graph, backwards, tmp_path)
    assert len(placed) == 6
    for each in placed:
        if each.proto.op_type == "Tanh":
            (data,) = each.inputs
            assert data is not None
            assert each.trace.durations_s is tanh[data.shape]


def test_dynamic_inputs_take_their_shape_from_the_trace(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    model = save_model(
        tmp_path / "m.onnx", nodes, {"x": ["batch", 4]}, ["y"], {"w": np.ones((4, 5), FLOAT)}
    )
    profile, extras = profile_model(model, tmp_path, shape=(7, 4)).build()
    assert extras.graph.inputs == (TensorSpec("x", "float32", (7, 4)),)
    assert keys(profile)[0] == "ai.onnx:MatMul{}(float32[7,4],const float32[4,5])"


def control_flow(tmp_path: Path) -> tuple[Profile, Extras]:
    return profile_model(control_flow_model(tmp_path / "m.onnx"), tmp_path, runs=3).build()


def test_nodes_inside_control_flow_are_kernels_of_their_own(tmp_path: Path) -> None:
    profile, extras = control_flow(tmp_path)
    assert [o.name for o in profile.occurrences] == [
        "Relu_0",
        "total",
        "Greater_2",
        "choose",
        "choose/first",
        "choose/Mul_1",
        "again",
        "again/Identity_2",
        "again/product",
        "again/Tanh_1",
        "product",
        "Tanh_6",
    ]
    ops = {o.name: o.kernel.op for o in profile.occurrences}
    assert ops["choose/first"] == "Add"  # the taken branch, though the other has the name too
    calls = {o.name: o.calls for o in profile.occurrences if o.calls != 1}
    assert calls == {"again/Identity_2": 3, "again/product": 3, "again/Tanh_1": 3}
    inner, outer = (o.kernel for o in profile.occurrences if o.name in ("again/product", "product"))
    assert inner.key == outer.key
    assert [n.name for n in extras.graph.nodes][-1] == "Tanh_6"
    assert "w" in next(n.reads for n in extras.graph.nodes if n.name == "again")


def test_weights_are_counted_by_shape_wherever_they_lie(tmp_path: Path) -> None:
    nodes, weights = two_layers()
    model = save_model(tmp_path / "m.onnx", nodes, {"x": [1, 16, 8, 8]}, ["y"], weights)
    made = profile_model(model, tmp_path, "basic")
    _, extras = made.build()
    assert not (tmp_path / "weights.bin").exists()
    assert extras.weights_bytes == 2 * 16 * 16 * 9 * 4
    strings = helper.make_tensor("s", onnx.TensorProto.STRING, [1], [b"x"])
    assert weights_bytes(helper.make_graph([], "g", [], [], [strings])) is None


def test_small_integer_constant_beside_the_model_is_read(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(np.array([2, 3], np.int64), "axes")
    graph = helper.make_graph([], "g", [], [], [tensor])
    onnx.external_data_helper.set_external_data(graph.initializer[0], "data.bin")
    (tmp_path / "data.bin").write_bytes(graph.initializer[0].raw_data)
    graph.initializer[0].ClearField("raw_data")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(ModelError, match="'axes'"):
        constants(graph, elsewhere, True)
    assert constants(graph, tmp_path, True)["axes"].value == (2, 3)


def test_initializer_that_may_be_replaced_is_no_constant(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [2])
    weight = numpy_helper.from_array(np.ones(2, FLOAT), "w")
    graph = helper.make_graph([], "g", [value], [], [weight])
    assert not constants(graph, tmp_path, overridable=True)["w"].constant
    assert constants(graph, tmp_path, overridable=False)["w"].constant


def test_profile_of_a_model_with_other_nodes_is_refused(tmp_path: Path) -> None:
    made = []
    for op in ("Tanh", "Exp"):
        folder = tmp_path / op
        folder.mkdir()
        model = save_model(
            folder / "m.onnx", [helper.make_node(op, ["x"], ["y"])], {"x": [4]}, ["y"]
        )
        made.append(profile_model(model, folder))
    with pytest.raises(MeasurementError, match="no node that matches 'Tanh'"):
        replace(made[0], trace=made[1].trace).build()


def test_profile_of_another_model_is_refused(
    tmp_path: Path, real_model: Callable[[str, str], Profiled]
) -> None:
    nodes, weights = two_layers()
    model = save_model(tmp_path / "m.onnx", nodes, {"x": [1, 16, 8, 8]}, ["y"], weights)
    made = profile_model(model, tmp_path, "all")
    for stranger in (real_model("squeezenet", "all"), real_model("squeezenet", "basic")):
        with pytest.raises(MeasurementError, match="one session"):
            replace(made, trace=stranger.trace).build()


def test_unreadable_model_is_a_model_error(tmp_path: Path) -> None:
    nodes, weights = two_layers()
    model = save_model(tmp_path / "m.onnx", nodes, {"x": [1, 16, 8, 8]}, ["y"], weights)
    made = profile_model(model, tmp_path, "basic")
    made.optimised.write_bytes(b"\xff" * 9)
    with pytest.raises(ModelError, match="is not an ONNX model"):
        made.build()
