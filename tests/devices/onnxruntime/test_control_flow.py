"""Loops, branches and functions of real sessions: every kernel is found, counted and led back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.devices.onnxruntime import session
from hwprof.devices.onnxruntime.hints import steps_of
from hwprof.devices.registry import connect
from hwprof.models.load import load_model
from hwprof.models.onnx.functions import Call
from hwprof.profile import Profile
from tests.devices.onnxruntime.profiled import control_flow_model, profile_model

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def info(name: str, shape: list[int], kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def saved(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, np.ndarray],
    functions: list[onnx.FunctionProto] | None = None,
) -> Path:
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions or [])
    onnx.save(made, path)
    return path


def bags(path: Path, lengths: list[int], named: bool = True) -> Path:
    """A Loop whose turn i sums `lengths[i]` rows: two Gathers, and shapes that change."""
    name = (lambda text: text) if named else (lambda text: "")
    body = helper.make_graph(
        [
            helper.make_node("Gather", ["lens", "i"], ["n"], name=name("length")),
            helper.make_node("Unsqueeze", ["n", "ax"], ["e"], name=name("u")),
            helper.make_node("Slice", ["ids", "zero", "e", "ax"], ["bag"], name=name("bag")),
            helper.make_node("Gather", ["table", "bag"], ["rows"], name=name("lookup")),
            helper.make_node("ReduceSum", ["rows", "ax"], ["o"], keepdims=0, name=name("sum")),
            helper.make_node("Identity", ["c"], ["c2"], name=name("keep")),
        ],
        "b",
        [info("i", [], INT64), info("c", [], BOOL)],
        [info("c2", [], BOOL), info("o", [8])],
    )
    loop = helper.make_node("Loop", ["steps", ""], ["y"], body=body, name="loop")
    constants = {
        "table": np.ones((10, 8), np.float32),
        "lens": np.array(lengths, np.int64),
        "steps": np.array(len(lengths), np.int64),
        "ax": np.array([0], np.int64),
        "zero": np.array([0], np.int64),
    }
    return saved(path, [loop], [info("ids", [4], INT64)], [info("y", [4, 8])], constants)


def by_name(profile: Profile) -> dict[str, int]:
    """Calls of all variants of a kernel, by its name."""
    found: dict[str, int] = {}
    for each in profile.occurrences:
        base = each.name.partition("#")[0]
        found[base] = found.get(base, 0) + each.calls
    return found


@pytest.mark.parametrize("lengths", [[1, 2, 3, 4], [2, 2, 2, 2], [0, 2, 0, 2], [2, 2, 2, 0]])
@pytest.mark.parametrize("level", ["basic", "all"])
def test_equal_operators_of_changing_shapes_are_told_apart(
    tmp_path: Path, lengths: list[int], level: str
) -> None:
    made = profile_model(bags(tmp_path / "m.onnx", lengths), tmp_path, level)
    profile, _ = made.build()
    names = ("length", "u", "bag", "lookup", "sum", "keep")
    assert by_name(profile) == {"loop": 1, **{f"loop/{name}": 4 for name in names}}
    rows = {
        o.kernel.inputs[1].shape[0]: o.calls  # type: ignore[union-attr]
        for o in profile.occurrences
        if o.name.startswith("loop/lookup")
    }
    assert rows == {length: lengths.count(length) for length in set(lengths)}
    assert {o.passes for o in profile.occurrences if o.name == "loop"} == {4}
    assert profile.uncovered == ()


def test_nodes_without_names_are_told_apart_by_the_runtimes_numbers(tmp_path: Path) -> None:
    made = profile_model(bags(tmp_path / "m.onnx", [1, 2, 3, 4], named=False), tmp_path)
    profile, _ = made.build()
    gathered = {
        o.kernel.inputs[0].describe()  # type: ignore[union-attr]
        for o in profile.occurrences
        if o.kernel.op == "Gather"
    }
    assert len(gathered) == 2
    assert sum(by_name(profile).values()) == 1 + 6 * 4


def test_what_never_ran_is_named_with_its_size(tmp_path: Path) -> None:
    profile, _ = profile_model(control_flow_model(tmp_path / "m.onnx"), tmp_path).build()
    assert profile.never_ran == ("choose/else_branch (2 nodes)",)
    passes = {o.name: o.passes for o in profile.occurrences if o.passes}
    assert passes == {"choose": 1, "again": 3}


def test_a_loop_of_no_turns_never_ran(tmp_path: Path) -> None:
    model = control_flow_model(tmp_path / "m.onnx", turns=0)
    profile, _ = profile_model(model, tmp_path).build()
    assert "again/body (3 nodes)" in profile.never_ran
    assert next(o.passes for o in profile.occurrences if o.name == "again") == 0


def test_branches_that_look_alike_are_not_told_apart(tmp_path: Path) -> None:
    def branch(of: str) -> onnx.GraphProto:
        node = helper.make_node("Mul", ["x", of], ["r"], name="same")
        return helper.make_graph([node], of, [], [info("r", [4])])

    node = helper.make_node(
        "If", ["yes"], ["y"], then_branch=branch("a"), else_branch=branch("b"), name="if"
    )
    ask = [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "zero"], ["yes"]),
    ]
    constants = {name: np.ones(4, np.float32) for name in "ab"}
    constants["zero"] = np.array(0, np.float32)
    path = saved(tmp_path / "m.onnx", [*ask, node], [info("x", [4])], [info("y", [4])], constants)
    profile, _ = profile_model(path, tmp_path, "basic").build()
    assert profile.never_ran == ()


def function_model(path: Path, layers: int = 3) -> Path:
    """Layers that are calls of a function, which calls another."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    gelu = helper.make_function(
        "mine",
        "MyGelu",
        ["x"],
        ["y"],
        [
            helper.make_node("Constant", [], ["c"], value_float=1.702),
            helper.make_node("Mul", ["x", "c"], ["a"], name="scale"),
            helper.make_node("Sigmoid", ["a"], ["s"], name="gate"),
            helper.make_node("Mul", ["x", "s"], ["y"], name="out"),
        ],
        opsets[:1],
    )
    block = helper.make_function(
        "mine",
        "Block",
        ["x", "w"],
        ["y"],
        [
            helper.make_node("MatMul", ["x", "w"], ["m"], name="proj"),
            helper.make_node("MyGelu", ["m"], ["g"], domain="mine", name="act"),
            helper.make_node("Add", ["x", "g"], ["y"], name="res"),
        ],
        opsets,
    )
    nodes = [
        helper.make_node(
            "Block", [f"h{i}", f"w{i}"], [f"h{i + 1}"], domain="mine", name=f"layer{i}"
        )
        for i in range(layers)
    ]
    rng = np.random.default_rng(0)
    constants = {f"w{i}": rng.random((8, 8), np.float32) for i in range(layers)}
    ends = [info("h0", [4, 8])], [info(f"h{layers}", [4, 8])]
    return saved(path, nodes, *ends, constants, [gelu, block])


@pytest.mark.parametrize("level", ["basic", "extended", "all"])
def test_kernels_of_functions_are_led_back_to_the_call_and_its_node(
    tmp_path: Path, level: str
) -> None:
    profile, _ = profile_model(function_model(tmp_path / "m.onnx"), tmp_path, level).build()
    assert profile.uncovered == ()
    covered = [name for o in profile.occurrences for name in o.source_nodes]
    assert sorted(covered) == sorted(
        f"layer{i}/{name}"
        for i in range(3)
        for name in ("proj", "act/scale", "act/gate", "act/out", "res")
    )
    for each in profile.occurrences:
        if each.kernel.op == "MatMul":
            assert [name.partition("/")[2] for name in each.source_nodes] == ["proj"]
        assert len({name.partition("/")[0] for name in each.source_nodes}) == 1


def test_names_of_a_function_that_left_too_few_marks_stay() -> None:
    node = helper.make_node("Relu", ["_inlfunc_F_token_4_a"], ["y"], name="_inlfunc_F_r")
    graph = helper.make_graph([node], "g", [], [])
    (both,) = steps_of(graph, [Call("F", "one"), Call("F", "two")])
    assert (both.name, list(both.reads), list(both.writes)) == ("one/r", ["two/a"], ["y"])
    (one,) = steps_of(graph, [Call("F", "one")])
    assert one.name == "_inlfunc_F_r"


def test_a_session_profiles_as_many_runs_as_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = load_model(control_flow_model(tmp_path / "loop.onnx", turns=50))
    plain = load_model(function_model(tmp_path / "plain.onnx", 10))
    # A run of the loop is 150 kernels and more; of the chain, 30 to 50.
    monkeypatch.setattr(session, "MOST_EVENTS", 700)
    monkeypatch.setattr(session, "EVENT_S", 0.0)
    for model, most in ((loop, 4), (plain, 30)):
        with connect("cpu").open(model) as opened:
            profile = opened.profile(60).profile
        assert 1 <= profile.run_wall_s.size <= most
        assert all(o.durations_s.size == profile.run_wall_s.size for o in profile.occurrences)
