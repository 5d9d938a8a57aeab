"""ONNX files that were made to crash, stop or fill a machine: one sentence each."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from hwprof.errors import HwprofError, ModelError
from hwprof.models.load import load_model
from hwprof.models.numerics import numerics_of
from hwprof.models.onnx import functions
from hwprof.models.onnx.functions import unfolding
from hwprof.models.outputs import declared_outputs
from tests.small_models import mlp_proto

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]


def model(
    nodes: list[onnx.NodeProto],
    initialisers: list[TensorProto] | None = None,
    made: list[onnx.FunctionProto] | None = None,
) -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [4]) for n in ("x", "y")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], initialisers or [])
    return helper.make_model(graph, opset_imports=OPSETS, ir_version=9, functions=made or [])


def saved(proto: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "hostile.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def refusal(proto: onnx.ModelProto, folder: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_model(saved(proto, folder))
    text = str(error.value)
    assert "\n" not in text
    assert ";" in text, "the sentence ends in what to do"
    return text


def stored(**fields: object) -> TensorProto:
    return TensorProto(name="w", data_type=fields.pop("data_type", 1), **fields)


def adding(tensor: TensorProto) -> onnx.ModelProto:
    return model([helper.make_node("Add", ["x", "w"], ["y"])], [tensor])


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (stored(data_type=99, dims=[4], raw_data=bytes(16)), "the element type number 99"),
        (stored(data_type=0, dims=[4], raw_data=bytes(16)), "the element type number 0"),
        (stored(dims=[2**62]), "holds less than"),
        (stored(dims=[2**62], raw_data=bytes(16)), "holds less than"),
        (stored(dims=[2**62, 2**62]), "more elements than can be counted"),
        (stored(dims=[1] * 65, raw_data=bytes(4)), "a shape that cannot be"),
        (stored(dims=[-4], raw_data=bytes(16)), "a shape that cannot be"),
        (stored(dims=[4], float_data=[1.0]), ""),
    ],
)
def test_stored_tensors_hold_what_they_say(tensor: TensorProto, says: str, tmp_path: Path) -> None:
    if says:
        assert says in refusal(adding(tensor), tmp_path)
    else:  # eight times is what some types pack: the runtime says whether it fits
        load_model(saved(adding(tensor), tmp_path))


def test_tensors_inside_nodes_and_functions_are_looked_at(tmp_path: Path) -> None:
    vast = stored(dims=[2**62])
    constant = helper.make_node("Constant", [], ["w"], value=vast)
    add = helper.make_node("Add", ["x", "w"], ["y"])
    assert "holds less than" in refusal(model([constant, add]), tmp_path)
    branch = helper.make_graph(
        [constant], "b", [], [helper.make_tensor_value_info("w", TensorProto.FLOAT, None)]
    )
    choose = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    assert "holds less than" in refusal(model([choose]), tmp_path)
    own = helper.make_function("mine", "F", ["x"], ["y"], [constant, add], OPSETS)
    call = helper.make_node("F", ["x"], ["y"], domain="mine")
    assert "holds less than" in refusal(model([call], made=[own]), tmp_path)


def test_a_function_does_not_read_other_files(tmp_path: Path) -> None:
    outside = stored(dims=[4], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="/etc/passwd")
    body = [
        helper.make_node("Constant", [], ["w"], value=outside),
        helper.make_node("Add", ["x", "w"], ["y"]),
    ]
    own = helper.make_function("mine", "F", ["x"], ["y"], body, OPSETS)
    call = helper.make_node("F", ["x"], ["y"], domain="mine")
    assert "outside its own folder" in refusal(model([call], made=[own]), tmp_path)


def test_inputs_have_known_types_and_possible_shapes(tmp_path: Path) -> None:
    proto = model([helper.make_node("Relu", ["x"], ["y"])])
    kind = proto.graph.input[0].type.tensor_type
    kind.elem_type = 99
    assert "input 'x' of 'hostile.onnx' has the element type number 99" in refusal(proto, tmp_path)
    kind.elem_type = TensorProto.FLOAT
    kind.shape.CopyFrom(onnx.TensorShapeProto())
    for _ in range(65):
        kind.shape.dim.add().dim_value = 1
    assert "has 65 dimensions" in refusal(proto, tmp_path)
    del kind.shape.dim[:]
    for _ in range(3):
        kind.shape.dim.add().dim_value = 2**62
    with pytest.raises(HwprofError, match="more elements than can be counted"):
        load_model(saved(proto, tmp_path))


def call(of: str, reads: str = "a", writes: str = "c") -> onnx.NodeProto:
    return helper.make_node(of, [reads], [writes], domain="mine")


def function(name: str, nodes: list[onnx.NodeProto]) -> onnx.FunctionProto:
    return helper.make_function("mine", name, ["a"], ["c"], nodes, OPSETS)


def test_functions_that_call_one_another_in_a_circle(tmp_path: Path) -> None:
    made = [function("F", [call("G")]), function("G", [call("H")]), function("H", [call("G")])]
    text = refusal(model([call("F", "x", "y")], made=made), tmp_path)
    assert "call one another in a circle (G, H, G)" in text
    itself = [function("F", [call("F")])]
    assert "(F, F)" in refusal(model([call("F", "x", "y")], made=itself), tmp_path)


def test_functions_that_multiply(tmp_path: Path) -> None:
    made = [function(f"F{i}", [call(f"F{i + 1}")] * 10) for i in range(16)]
    made.append(function("F16", [helper.make_node("Relu", ["a"], ["c"])]))
    text = refusal(model([call("F0", "x", "y")], made=made), tmp_path)
    assert "unfold to more than 500000 nodes" in text
    # Bodies without a node of their own count as well.
    empty = [helper.make_function("mine", "F0", [], [], [], OPSETS)]
    for i in range(1, 16):
        inner = [helper.make_node(f"F{i - 1}", [], [], domain="mine")] * 10
        empty.append(helper.make_function("mine", f"F{i}", [], [], inner, OPSETS))
    nodes = [
        helper.make_node("F15", [], [], domain="mine"),
        helper.make_node("Relu", ["x"], ["y"]),
    ]
    assert "unfold to more" in refusal(model(nodes, made=empty), tmp_path)


def test_functions_nested_deep(tmp_path: Path) -> None:
    made = [function(f"F{i}", [call(f"F{i + 1}")]) for i in range(5000)]
    made.append(function("F5000", [helper.make_node("Relu", ["a"], ["c"])]))
    proto = model([call("F0", "x", "y")], made=made)
    assert "more than 100 deep" in refusal(proto, tmp_path)
    assert unfolding(proto).too_deep


def test_what_unfolds_within_bounds_is_counted() -> None:
    made = [function("F", [call("G"), call("G")]), function("G", [call("H")])]
    made.append(function("H", [helper.make_node("Relu", ["a"], ["c"])]))
    assert unfolding(model([call("F", "x", "y")], made=made)).nodes == 1 + 2 + 2 + 2


def test_too_many_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "MAX_NODES", 2)
    assert "has 3 nodes, and at most 2 are taken" in refusal(mlp_proto(), tmp_path)


def test_a_file_nested_deeper_than_a_message_may_be(tmp_path: Path) -> None:
    inner = b""
    for _ in range(3000):
        # node { attribute { g { ... } } }, by hand: protobuf's own code would refuse to write it.
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            inner = tag + varint(len(inner)) + inner
    path = tmp_path / "deep.onnx"
    path.write_bytes(b"\x3a" + varint(len(inner)) + inner)
    with pytest.raises(ModelError, match="is not an ONNX model"):
        load_model(path)


def varint(number: int) -> bytes:
    made = b""
    while number > 127:
        made += bytes([number & 127 | 128])
        number >>= 7
    return made + bytes([number])


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("location", "a\0b", "cannot be read"),
        ("location", "x" * 300, "is too long for a file"),
        ("location", "circle.bin", "in a circle of links"),
        ("location", "folder", "which is missing"),
        ("location", "pipe", "which is missing"),
        ("offset", "9" * 5000, "is shorter than the model says"),
        ("length", "9" * 5000, "is shorter than the model says"),
        ("offset", "-1", "is shorter than the model says"),
        ("length", "x", "is shorter than the model says"),
    ],
)
def test_external_data_that_leads_nowhere(
    key: str, value: str, says: str, external_mlp: Path
) -> None:
    folder = external_mlp.parent
    (folder / "circle.bin").symlink_to(folder / "circle2.bin")
    (folder / "circle2.bin").symlink_to(folder / "circle.bin")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    proto = onnx.load(str(external_mlp), load_external_data=False)
    for tensor in proto.graph.initializer:
        entries = {entry.key: entry for entry in tensor.external_data}
        entry = entries.get(key) or tensor.external_data.add(key=key)
        entry.value = value
    external_mlp.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match=says) as error:
        load_model(external_mlp)
    assert len(str(error.value)) < 600


Change = Callable[[], onnx.ModelProto]


def chain(kind: str, length: int, **attributes: object) -> onnx.ModelProto:
    nodes = [
        helper.make_node(kind, [f"t{i}"] * (2 if kind == "Mul" else 1), [f"t{i + 1}"], **attributes)
        for i in range(length)
    ]
    start = helper.make_node("Cast", ["x"], ["s"], to=TensorProto.INT64)
    end = helper.make_node("Reshape", ["x", f"t{length}"], ["y"])
    first = [helper.make_tensor("t0", TensorProto.INT64, [1], [3])]
    return model([start, *nodes, end], first)


def circle() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Identity", ["b"], ["a"]),
        helper.make_node("Gather", ["x", "a"], ["g"]),
        helper.make_node("DequantizeLinear", [], ["d"]),
        helper.make_node("Identity", ["b"], ["y"]),
    ]
    return model(nodes)


def huge_shape(kind: str) -> onnx.ModelProto:
    """A list of 2^40 sizes, as an input: what inference would write out."""
    proto = model(
        [helper.make_node(kind, ["s"] if kind == "ConstantOfShape" else ["x", "s"], ["y"])]
    )
    proto.graph.input.append(helper.make_tensor_value_info("s", TensorProto.INT64, [2**40]))
    return proto


def vast_constant() -> onnx.ModelProto:
    shape = [helper.make_tensor("s", TensorProto.INT64, [2], [2**30, 2**30])]
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("Add", ["x", "c"], ["y"]),
    ]
    return model(nodes, shape)


@pytest.mark.parametrize(
    "make",
    [
        lambda: chain("Mul", 64),
        lambda: chain("Identity", 3000),
        lambda: chain("Neg", 3000),
        circle,
        lambda: huge_shape("ConstantOfShape"),
        lambda: huge_shape("Expand"),
        lambda: huge_shape("Reshape"),
        lambda: huge_shape("Pad"),
        lambda: huge_shape("Tile"),
        lambda: huge_shape("Unsqueeze"),
        lambda: huge_shape("Col2Im"),
        vast_constant,
    ],
)
def test_nothing_takes_much(make: Change, tmp_path: Path) -> None:
    """Whether it is taken or refused: no other error, no bomb."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(HwprofError):
        found = load_model(saved(make(), tmp_path))
        numerics_of(found)
        declared_outputs(found)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 256 << 10


def test_a_weights_file_of_nothing_but_holes_is_not_read(external_mlp: Path) -> None:
    with external_mlp.with_suffix(".bin").open("r+b") as weights:
        weights.truncate(1 << 43)  # sparse: it takes no room
    with pytest.raises(ModelError, match=r"has 8192\.0 GiB, and the model uses 0\.0 GiB"):
        load_model(external_mlp)


def test_an_axis_that_leads_nowhere(tmp_path: Path) -> None:
    stored_weights = [
        helper.make_tensor(name, TensorProto.FLOAT, [1, 4, 4], [0.0] * 16) for name in ("w", "r")
    ]
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, -(2**62), 2]),
        helper.make_node("RNN", ["t", "w", "r"], ["y"], hidden_size=4),
    ]
    proto = model(nodes, stored_weights)
    kind = proto.graph.input[0].type.tensor_type.shape
    del kind.dim[:]
    for size in ("a", "b"):
        kind.dim.add().dim_param = size
    kind.dim.add().dim_value = 4
    load_model(saved(proto, tmp_path), shapes={"x": (2, 3, 4)})
    load_model(saved(proto, tmp_path), shapes={"x": (-1, 3, 4)}, batch=2)
