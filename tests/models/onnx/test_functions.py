"""Model-local functions, written out where they are called."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from hwprof.models.onnx import functions
from hwprof.models.onnx.cover import nodes_with_work
from hwprof.models.onnx.functions import Call, expand, inlined

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]


def model(
    nodes: list[onnx.NodeProto], functions: list[onnx.FunctionProto], output: str = "y"
) -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [4]) for n in ("x", output)]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=OPSETS, ir_version=9, functions=functions)


def function(
    name: str, nodes: list[onnx.NodeProto], attributes: list[str] | None = None
) -> onnx.FunctionProto:
    return helper.make_function("mine", name, ["a", "b"], ["c"], nodes, OPSETS, attributes or [])


def call(of: str, reads: list[str], writes: list[str], **more: object) -> onnx.NodeProto:
    return helper.make_node(of, reads, writes, domain="mine", **more)


INNER = function(
    "Inner",
    [
        helper.make_node("Mul", ["a", "b"], ["m"], name="scale"),
        helper.make_node("Relu", ["m"], ["c"]),
    ],
)
OUTER = function(
    "Outer",
    [
        call("Inner", ["a", "b"], ["i"], name="act"),
        helper.make_node("Add", ["i", "a"], ["c"], name="res"),
    ],
)


def test_nested_calls_are_named_by_their_callers() -> None:
    nodes = [
        call("Outer", ["x", "x"], ["h"], name="first"),
        call("Outer", ["h", "x"], ["y"]),
    ]
    found, calls = expand(model(nodes, [INNER, OUTER]))
    assert [(n.name, list(n.input), list(n.output)) for n in found.graph.node] == [
        ("first/act/scale", ["x", "x"], ["first/act/m"]),
        ("first/act/Relu_1", ["first/act/m"], ["first/i"]),
        ("first/res", ["first/i", "x"], ["h"]),
        ("Outer_1/act/scale", ["h", "x"], ["Outer_1/act/m"]),
        ("Outer_1/act/Relu_1", ["Outer_1/act/m"], ["Outer_1/i"]),
        ("Outer_1/res", ["Outer_1/i", "h"], ["y"]),
    ]
    # Outer calls first: so ONNX Runtime numbers them.
    paths = ["first", "Outer_1", "first/act", "Outer_1/act"]
    assert calls == tuple(
        Call(f, p) for f, p in zip(["Outer"] * 2 + ["Inner"] * 2, paths, strict=True)
    )
    assert not found.functions
    onnx.checker.check_model(found)
    assert nodes_with_work(found) == tuple(n.name for n in found.graph.node)


def test_a_model_without_functions_is_itself() -> None:
    plain = model([helper.make_node("Relu", ["x"], ["y"])], [])
    assert inlined(plain) is plain


def test_attributes_come_from_the_call_or_the_default() -> None:
    leaky = helper.make_node("LeakyRelu", ["a"], ["c"], name="leaky")
    leaky.attribute.append(
        onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    )
    made = function("Leaky", [leaky], ["slope"])
    given = inlined(model([call("Leaky", ["x"], ["y"], name="n", slope=0.5)], [made]))
    (attribute,) = given.graph.node[0].attribute
    assert (attribute.name, attribute.f) == ("alpha", 0.5)
    left_out = inlined(model([call("Leaky", ["x"], ["y"], name="n")], [made]))
    assert not left_out.graph.node[0].attribute


def test_graphs_inside_a_body_are_renamed_too() -> None:
    branch = helper.make_graph(
        [helper.make_node("Neg", ["a"], ["n"], name="neg")],
        "then",
        [],
        [helper.make_tensor_value_info("n", TensorProto.FLOAT, [4])],
    )
    body = [helper.make_node("If", ["b"], ["c"], then_branch=branch, else_branch=branch, name="if")]
    found = inlined(model([call("F", ["x", "x"], ["y"], name="f")], [function("F", body)]))
    (node,) = found.graph.node
    inner = node.attribute[0].g
    assert node.name == "f/if"
    assert list(inner.node[0].input) == ["x"]
    assert inner.node[0].name == "f/neg"
    assert inner.output[0].name == inner.node[0].output[0] == "f/n"


def test_calls_inside_a_loop_body_are_written_out() -> None:
    branch = helper.make_graph(
        [call("Inner", ["x", "x"], ["i"], name="act")],
        "then",
        [],
        [helper.make_tensor_value_info("i", TensorProto.FLOAT, [4])],
    )
    node = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch, name="if")
    found = inlined(model([node], [INNER]))
    assert [n.name for n in found.graph.node[0].attribute[0].g.node] == ["act/scale", "act/Relu_1"]


@pytest.mark.parametrize("calls", [["F"], ["F", "F"]])
def test_a_function_that_calls_itself_is_left_alone(
    calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "MAX_NODES", 1000)
    endless = function("F", [call(name, ["a", "b"], ["c"]) for name in calls])
    source = model([call("F", ["x", "x"], ["y"], name="f")], [endless])
    assert expand(source) == (source, ())
