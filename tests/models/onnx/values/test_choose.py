from __future__ import annotations

import time

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto as T
from onnx import helper, numpy_helper

from hwprof.errors import OptionError
from hwprof.graph import TensorSpec
from hwprof.models.inputs import Recipe
from hwprof.models.onnx.file import declared_inputs
from hwprof.models.onnx.values import choose_values
from hwprof.models.shapes import decide_shapes
from tests.models.onnx.values.build import (
    bagging,
    branching,
    chosen,
    embedded,
    info,
    looping,
    model,
    node,
    weights,
    whole,
)
from tests.small_models import mlp_proto


def test_floats_that_only_pass_through_hold_what_they_always_held() -> None:
    assert chosen(mlp_proto()) == {"x": ("0..1", "")}


@given(st.integers(1, 5000))
def test_indices_stay_within_their_table(rows: int) -> None:
    text, decides = chosen(embedded(rows=rows))["ids"]
    values = Recipe.parse(text).array(TensorSpec("ids", "int64", (2, 8)))
    assert text == ("0" if rows == 1 else f"0..{rows - 1}")
    assert values.min() >= 0
    assert values.max() < rows
    assert not decides


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ([node("Cast", ["ids"], ["i"], to=T.INT32)], "0..999"),
        ([node("Transpose", ["ids"], ["i"])], "0..999"),
        ([node("Add", ["ids", "two"], ["i"])], "0..997"),
        ([node("Sub", ["ids", "two"], ["i"])], "2..1001"),
        ([node("Mul", ["ids", "two"], ["i"])], "0..499"),
        ([node("Clip", ["ids", "", "two"], ["i"])], "0..999"),
        ([node("Expand", ["ids", "shape"], ["i"])], "0..999"),
        # Something unknown is added: what every table has.
        ([node("CumSum", ["ids", "one"], ["s"]), node("Add", ["ids", "s"], ["i"])], "0..1"),
        # The number of words is not what they hold.
        ([node("Shape", ["ids"], ["i"])], "0..1"),
    ],
)
def test_indices_are_followed_through_what_moves_and_shifts_them(
    before: list[onnx.NodeProto], text: str
) -> None:
    proto = embedded(*before, index="i")
    proto.graph.initializer.append(whole("shape", [2, 8]))
    assert chosen(proto)["ids"] == (text, "")


def test_fields_that_share_a_table_stay_within_it() -> None:
    proto = embedded(node("Add", ["ids", "fields"], ["i"]), index="i", rows=100)
    proto.graph.initializer.append(whole("fields", [[0, 10, 20, 30, 40, 50, 60, 70]]))
    assert chosen(proto)["ids"][0] == "0..29"


def test_the_smallest_of_several_tables_counts_and_types_may_be_one_row() -> None:
    proto = model(
        [
            node("Gather", ["words", "ids"], ["a"]),
            node("Gather", ["few", "ids"], ["b"]),
            node("Gather", ["types", "kinds"], ["c"]),
        ],
        [info("ids", T.INT64, [1, 8]), info("kinds", T.INT64, [1, 8])],
        [info(name, T.FLOAT, None) for name in "abc"],
        [weights("words", 1000, 4), weights("few", 40, 4), weights("types", 1, 4)],
    )
    assert chosen(proto) == {"ids": ("0..39", ""), "kinds": ("0", "")}


def test_an_index_is_found_in_a_loop_a_branch_and_a_function() -> None:
    function = helper.make_function(
        "own", "Look", ["t", "i"], ["o"], [node("Gather", ["t", "i"], ["o"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    proto = model(
        [helper.make_node("Look", ["table", "ids"], ["y"], domain="own")],
        [info("ids", T.INT64, [4])],
        [info("y", T.FLOAT, None)],
        [weights("table", 30, 4)],
        [function],
    )
    assert chosen(proto)["ids"] == ("0..29", "")
    inner = helper.make_graph([node("Gather", ["w", "sr"], ["a"])], "then", [], [info("a", 1, [8])])
    proto = branching([], T.INT64)
    proto.graph.node[0].attribute[0].g.CopyFrom(inner)
    proto.graph.node[0].input[0] = "yes"
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    assert chosen(proto)["sr"] == ("0..7", "")


def test_masks_are_true_and_what_hides_is_false() -> None:
    proto = model(
        [
            node("Cast", ["mask"], ["m"], to=T.FLOAT),
            node("Sub", ["one", "m"], ["away"]),
            node("Add", ["x", "away"], ["a"]),
            node("Where", ["padding", "low", "a"], ["b"]),
            node("Where", ["keep", "b", "x"], ["y"]),
        ],
        [
            info("x", T.FLOAT, [2, 8]),
            info("mask", T.INT64, [2, 8]),
            info("padding", T.BOOL, [2, 8]),
            info("keep", T.BOOL, [2, 8]),
        ],
        [info("y", T.FLOAT, [2, 8])],
        [
            numpy_helper.from_array(np.array(1, np.float32), "one"),
            numpy_helper.from_array(np.array(-np.inf, np.float32), "low"),
        ],
    )
    texts = {name: text for name, (text, _) in chosen(proto).items()}
    assert texts == {"x": "0..1", "mask": "1", "padding": "0", "keep": "1"}


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_sequences_have_their_full_length(op: str) -> None:
    gates = {"LSTM": 4, "GRU": 3}[op]
    proto = model(
        [
            node("Cast", ["lengths"], ["n"], to=T.INT32),
            node(op, ["x", "w", "r", "", "n"], ["y"], hidden_size=4, name="net"),
        ],
        [info("x", T.FLOAT, [20, "b", 3]), info("lengths", T.INT64, ["b"])],
        [info("y", T.FLOAT, None)],
        [weights("w", 1, gates * 4, 3), weights("r", 1, gates * 4, 4)],
    )
    found = chosen(proto, {"x": (20, 100, 3)})
    assert found["lengths"] == ("20", f"the lengths in {op} 'net'")
    assert found["x"] == ("0..1", "")


def test_lengths_that_only_mark_places_reach_the_last_one() -> None:
    proto = model(
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "one"], ["t"]),
            node("Range", ["zero", "t", "one"], ["places"]),
            node("Less", ["places", "lengths"], ["m"]),
            node("Where", ["m", "x", "f"], ["y"]),
        ],
        [info("x", T.FLOAT, ["b", "t"]), info("lengths", T.INT64, ["b", 1])],
        [info("y", T.FLOAT, None)],
        [whole("one", 1), whole("zero", 0), numpy_helper.from_array(np.array(0, np.float32), "f")],
    )
    assert chosen(proto, {"x": (3, 40)})["lengths"] == ("40", "")


def test_bags_share_their_rows_evenly() -> None:
    shapes = {"indices": (4096,), "offsets": (128,)}
    said = "how many rows each bag of Slice 'bag' reads"
    found = chosen(bagging(False), shapes)
    assert found == {"indices": ("0..49", ""), "offsets": ("0..4064 rising", said)}
    found = chosen(bagging(True), {"indices": (4096,), "offsets": (129,)})
    assert found["offsets"] == ("0..4096 rising", said)
    starts = Recipe.parse("0..4064 rising").array(TensorSpec("o", "int64", (128,)))
    assert set(np.diff(starts)) == {32}


def test_a_size_is_the_size_that_is_there() -> None:
    proto = model(
        [
            node("Cast", ["size"], ["hw"], to=T.INT64),
            node("Concat", ["front", "hw"], ["whole"], axis=0),
            node("Resize", ["x", "", "", "whole"], ["y"], mode="linear", name="up"),
        ],
        [info("x", T.FLOAT, [1, 1, 30, 40]), info("size", T.FLOAT, [2])],
        [info("y", T.FLOAT, None)],
        [whole("front", [1, 1])],
    )
    assert chosen(proto)["size"] == ("30,40", "the size that Resize 'up' makes")


def test_a_branch_that_one_value_picks_is_asked_for_with_what_it_is_compared_with() -> None:
    proto = branching([node("Equal", ["sr", "k0"], ["go"])], T.INT64, np.int64(16000))
    with pytest.raises(OptionError, match="which branch of If 'exit' runs") as error:
        chosen(proto)
    assert "--input sr=16000 (the model compares it with 16000)" in str(error.value)
    with pytest.raises(OptionError, match="--input sr=true or sr=false"):
        chosen(branching([node("Identity", ["sr"], ["go"])], T.BOOL))
    with pytest.raises(OptionError, match=r"--input sr=0\.25 \(the model compares it with 0\.25\)"):
        chosen(branching([node("Greater", ["sr", "k0"], ["go"])], T.FLOAT, np.float32(0.25)))


def test_what_is_given_is_not_asked_for_and_still_decides() -> None:
    proto = branching([node("Equal", ["sr", "k0"], ["go"])], T.INT64, np.int64(16000))
    found = chosen(proto, given=["sr"])
    assert found["sr"] == ("0..1", "which branch of If 'exit' runs")
    assert found["x"] == ("0..1", "")


def test_a_picture_that_decides_a_branch_is_told() -> None:
    proto = branching(
        [node("ReduceMean", ["x"], ["m"], keepdims=0), node("Greater", ["m", "k0"], ["go"])],
        T.FLOAT,
        np.float32(0.5),
    )
    assert chosen(proto)["x"] == ("0..1", "which branch of If 'exit' runs")


def test_the_steps_of_a_loop_are_asked_for() -> None:
    with pytest.raises(OptionError, match="--input steps=NUMBER") as error:
        chosen(looping())
    assert "how often Loop 'generate' repeats" in str(error.value)


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([node("NonZero", ["h"], ["y"], name="nz")], "how many elements NonZero 'nz' finds"),
        (
            [
                node("Greater", ["h", "half"], ["c"]),
                node("Compress", ["h", "c"], ["y"], name="few"),
            ],
            "how many elements Compress 'few' keeps",
        ),
        ([node("Unique", ["h"], ["y"], name="u")], "how many elements Unique 'u' finds"),
        ([node("ArgMax", ["h"], ["y"])], ""),
        ([node("TopK", ["h", "two"], ["y", "z"])], ""),
        ([node("Shape", ["h"], ["s"]), node("ConstantOfShape", ["s"], ["y"])], ""),
        ([node("Greater", ["h", "half"], ["c"]), node("Where", ["c", "h", "half"], ["y"])], ""),
    ],
)
def test_values_that_decide_are_found_through_a_whole_network(
    nodes: list[onnx.NodeProto], says: str
) -> None:
    proto = model(
        [
            node("MatMul", ["x", "w"], ["m"]),
            node("Relu", ["m"], ["r"]),
            node("Reshape", ["r", "flat"], ["h"]),
            *nodes,
        ],
        [info("x", T.FLOAT, [4, 8])],
        [info("y", T.FLOAT, None)],
        [
            weights("w", 8, 8),
            whole("flat", [-1]),
            whole("two", [2]),
            numpy_helper.from_array(np.array(0.5, np.float32), "half"),
        ],
    )
    assert chosen(proto)["x"] == ("0..1", says)


def test_boxes_that_a_suppression_keeps() -> None:
    proto = model(
        [node("NonMaxSuppression", ["boxes", "scores", "most", "iou"], ["y"], name="nms")],
        [info("boxes", T.FLOAT, [1, 6, 4]), info("scores", T.FLOAT, [1, 1, 6])],
        [info("y", T.INT64, None)],
        [whole("most", [3]), numpy_helper.from_array(np.array([0.5], np.float32), "iou")],
    )
    kept = ("0..1", "the boxes that NonMaxSuppression 'nms' keeps")
    assert chosen(proto) == {"boxes": kept, "scores": kept}


def test_texts_are_asked_for() -> None:
    proto = model(
        [node("Identity", ["x"], ["y"])],
        [info("x", T.STRING, [2])],
        [info("y", T.STRING, [2])],
    )
    with pytest.raises(OptionError, match="--input x=TEXT"):
        chosen(proto)
    assert chosen(proto, given=["x"]) == {"x": ("0..1", "")}


def test_what_is_no_tensor_does_not_disturb() -> None:
    sequence = helper.make_tensor_sequence_value_info("s", T.FLOAT, None)
    proto = model(
        [node("ConcatFromSequence", ["s"], ["y"], axis=0)], [sequence], [info("y", 1, None)]
    )
    (values,) = choose_values(proto, [TensorSpec("s", "opaque", ())])
    assert values.text == "0..1"


def test_a_divisor_is_never_zero() -> None:
    proto = model(
        [node("Div", ["a", "b"], ["y"])],
        [info("a", T.INT64, [4]), info("b", T.INT64, [4])],
        [info("y", T.INT64, [4])],
    )
    assert [text for text, _ in chosen(proto).values()] == ["0..1", "1"]


def test_twenty_thousand_nodes_take_no_time() -> None:
    nodes = [node("Relu", [f"t{i}"], [f"t{i + 1}"]) for i in range(20_000)]
    proto = model(nodes, [info("t0", 1, [1, 8])], [info("t20000", 1, [1, 8])])
    began = time.process_time()
    assert chosen(proto) == {"t0": ("0..1", "")}
    # About 0.1 s; following every tensor from every node would take minutes.
    assert time.process_time() - began < 2


def test_a_chain_without_end_is_not_followed_to_its_end() -> None:
    moves = [node("Identity", [f"t{i}"], [f"t{i + 1}"]) for i in range(3000)]
    proto = embedded(node("Identity", ["ids"], ["t0"]), *moves, index="t3000")
    assert chosen(proto)["ids"] == ("0..1", "")


def single(op: str, inputs: dict[str, tuple[int, list[int]]], made: list[int], **attributes):  # type: ignore[no-untyped-def]
    """One node of which every input is the model's."""
    proto = model(
        [node(op, list(inputs), ["y"], name="n", **attributes)],
        [info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [info("y", T.FLOAT, made)],
        opset=20,
    )
    return proto


F, N = T.FLOAT, T.INT64


@pytest.mark.parametrize(
    ("proto", "texts"),
    [
        (single("Reshape", {"x": (F, [2, 6]), "s": (N, [2])}, [3, 4]), {"s": "3,4"}),
        (single("Expand", {"x": (F, [3, 1]), "s": (N, [3])}, [2, 3, 6]), {"s": "2,3,6"}),
        (single("Tile", {"x": (F, [2, 3]), "s": (N, [2])}, [4, 9]), {"s": "2,3"}),
        (single("ReduceSum", {"x": (F, [2, 3, 4]), "a": (N, [1])}, [2, 1, 4]), {"a": "1"}),
        (single("Squeeze", {"x": (F, [1, 3, 1]), "a": (N, [1])}, [1, 3]), {"a": "2"}),
        (single("Unsqueeze", {"x": (F, [3, 4]), "a": (N, [1])}, [3, 1, 4]), {"a": "1"}),
        (
            single("Slice", {"x": (F, [9, 5]), "a": (N, [1]), "b": (N, [1])}, [4, 5]),
            {"a": "0", "b": "4"},
        ),
        (single("Pad", {"x": (F, [2, 3]), "p": (N, [4])}, [2, 7]), {"p": "0,2,0,2"}),
        (single("CumSum", {"x": (F, [3]), "a": (N, [])}, [3]), {"a": "0"}),
        (single("Trilu", {"x": (F, [3, 3]), "k": (N, [])}, [3, 3]), {"k": "0"}),
        (
            single("Resize", {"x": (F, [1, 1, 2, 4]), "": (F, []), "s": (F, [4])}, [1, 1, 4, 2]),
            {"s": "1,1,2,0.5"},
        ),
        (single("ConstantOfShape", {"s": (N, [2])}, [3, 4]), {"s": "3,4"}),
        (single("HannWindow", {"n": (N, [])}, [10]), {"n": "10"}),
        (
            single("AffineGrid", {"t": (F, [2, 2, 3]), "s": (N, [4])}, [2, 5, 6, 2]),
            {"s": "2,1,5,6"},
        ),
        (
            single("Col2Im", {"x": (F, [1, 5, 5]), "i": (N, [2]), "b": (N, [2])}, [1, 1, 5, 5]),
            {"i": "5", "b": "1,5"},
        ),
    ],
    ids=lambda each: each.graph.node[0].op_type if isinstance(each, onnx.ModelProto) else "",
)
def test_the_declared_output_tells_sizes_and_axes(
    proto: onnx.ModelProto, texts: dict[str, str]
) -> None:
    for value in [v for v in proto.graph.input if not v.name]:
        proto.graph.input.remove(value)
    found = chosen(proto)
    assert {name: found[name][0] for name in texts} == texts
    specs = decide_shapes(declared_inputs(proto), {}, None, "m")
    feed = {each.name: Recipe.parse(found[each.name][0]).array(each) for each in specs}
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (out,) = session.run(None, feed)
    assert list(out.shape) == [
        d.dim_value for d in proto.graph.output[0].type.tensor_type.shape.dim
    ]


def test_a_size_that_nothing_tells_is_asked_for() -> None:
    proto = model(
        [node("Range", ["zero", "n", "one"], ["y"], name="count")],
        [info("n", T.INT64, [])],
        [info("y", T.INT64, None)],
        [whole("zero", 0), whole("one", 1)],
    )
    with pytest.raises(OptionError, match="the size that Range 'count' makes"):
        chosen(proto)


def test_a_mask_that_is_summed_up_to_lengths_is_true() -> None:
    proto = model(
        [
            node("ReduceSum", ["attention_mask", "ax"], ["n"], keepdims=0),
            node("Cast", ["n"], ["lengths"], to=T.INT32),
            node("GRU", ["x", "w", "r", "", "lengths"], ["y"], hidden_size=4, name="net"),
        ],
        [info("x", T.FLOAT, [5, 2, 3]), info("attention_mask", T.INT64, [2, 5])],
        [info("y", T.FLOAT, None)],
        [weights("w", 1, 12, 3), weights("r", 1, 12, 4), whole("ax", [1])],
    )
    assert chosen(proto)["attention_mask"] == ("1", "the lengths in GRU 'net'")


def test_a_damaged_model_is_left_to_the_runtime() -> None:
    data = embedded().SerializeToString().replace(b"ids", b"i\xffs")
    proto = onnx.load_from_string(data)
    assert [text for text, _ in chosen(proto).values()] == ["0..999"]
    proto = single("OneHot", {"i": (N, [3]), "d": (N, []), "v": (F, [2])}, [3, 4], axis=9)
    assert chosen(proto)["d"][0] == "0..1"
    proto = single("Pad", {"x": (F, [2]), "p": (N, [9])}, [2])
    assert chosen(proto)["x"] == ("0..1", "")
