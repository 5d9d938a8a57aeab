"""What an ONNX graph leaves to its reader."""

from __future__ import annotations

from onnx import helper

from hwprof.models.onnx.graph import graph_operators, node_names


def test_operators_inside_branches_are_found() -> None:
    branch = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "b", [], [])
    graph = helper.make_graph(
        [
            helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch),
            helper.make_node("Foo", ["z"], ["o"], domain="com.example"),
        ],
        "g",
        [],
        [],
    )
    assert graph_operators(graph) == {"If", "Neg", "com.example.Foo"}


def test_nodes_without_a_name_of_their_own_get_one() -> None:
    nodes = [
        helper.make_node("Tanh", ["x"], ["a"], "same"),
        helper.make_node("Exp", ["a"], ["b"], "same"),
        helper.make_node("Exp", ["b"], ["c"]),
        helper.make_node("Exp", ["c"], ["d"], "Exp_4"),
        helper.make_node("Exp", ["d"], ["e"]),
    ]
    names = node_names(helper.make_graph(nodes, "g", [], []))
    assert names == ["same", "same#1", "Exp_2", "Exp_4", "Exp_4#4"]
