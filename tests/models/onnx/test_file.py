from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hwprof.errors import HwprofError, ModelError, OptionError
from hwprof.models.load import load_model
from tests.small_models import mlp_proto


def one_line(error: pytest.ExceptionInfo[HwprofError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert ";" in text or "," in text, "the sentence ends in what to do"
    return text


def test_nine_light_models_load(light: Path) -> None:
    models = sorted(light.glob("*.onnx"))
    assert len(models) == 9
    for path in models:
        subject = load_model(path).subject
        assert subject.inputs[0].shape[1:] == (3, 224, 224)
        assert subject.batch == 1
        assert len(subject.sha256) == 64


def test_a_dynamic_batch_takes_batch_or_shape(dynamic_mlp: Path) -> None:
    assert load_model(dynamic_mlp, batch=5).subject.inputs[0].shape == (5, 8)
    assert load_model(dynamic_mlp, shapes={"x": (3, 8)}).subject.batch == 3
    with pytest.raises(OptionError, match="'batch' of input 'x'") as error:
        load_model(dynamic_mlp)
    assert "--shape x=1,8" in one_line(error)


def test_a_symbol_decided_once_holds_for_every_input(two_inputs: Path) -> None:
    subject = load_model(two_inputs, shapes={"ids": (2, 7)}).subject
    assert [t.shape for t in subject.inputs] == [(2, 7), (2, 7, 1)]
    assert [t.dtype for t in subject.inputs] == ["int64", "float32"]
    with pytest.raises(OptionError, match="both 2 and 3"):
        load_model(two_inputs, shapes={"ids": (2, 7), "mask": (3, 7, 1)})
    with pytest.raises(OptionError, match="'length'"):
        load_model(two_inputs, batch=1)


@pytest.mark.parametrize(
    ("shapes", "batch", "says"),
    [
        ({"x": (4, 9)}, None, "fixed at 4,8"),
        ({"x": (4,)}, None, "has 2 dimensions"),
        ({"y": (4, 8)}, None, "no input 'y'"),
        ({"x": (0, 8)}, None, "dimension 0"),
        ({"x": (-1, 8)}, None, "dimension -1"),
        ({}, 8, "--batch 8"),
        ({}, 0, "at least 1"),
    ],
)
def test_impossible_shapes(
    mlp: Path, shapes: dict[str, tuple[int, ...]], batch: int | None, says: str
) -> None:
    with pytest.raises(OptionError, match=says) as error:
        load_model(mlp, shapes=shapes, batch=batch)
    one_line(error)


def test_content_decides_identity_not_the_name(mlp: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other-name.onnx"
    copy.write_bytes(mlp.read_bytes())
    assert load_model(copy).subject.key == load_model(mlp).subject.key
    assert load_model(copy).subject.name == "other-name"


def test_external_weights_are_part_of_the_identity(external_mlp: Path) -> None:
    before = load_model(external_mlp).subject.sha256
    weights = external_mlp.with_suffix(".bin")
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    weights.write_bytes(bytes(content))
    assert load_model(external_mlp).subject.sha256 != before


def test_files_that_are_not_models(tmp_path: Path, mlp: Path, squeezenet: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("this is no model\n" * 40)
    empty = tmp_path / "empty.onnx"
    empty.touch()
    cases = [(tmp_path / "missing.onnx", "no file"), (tmp_path, "folder")]
    cases += [(text, "not an ONNX model|no ONNX graph"), (empty, "no ONNX graph")]
    for path, says in cases:
        with pytest.raises(ModelError, match=says) as error:
            load_model(path)
        one_line(error)


def test_a_model_cut_anywhere_never_passes(tmp_path: Path, squeezenet: Path) -> None:
    whole = squeezenet.read_bytes()
    cut = tmp_path / "cut.onnx"
    for size in np.linspace(1, len(whole) - 1, 60, dtype=int):
        cut.write_bytes(whole[:size])
        with pytest.raises(ModelError) as error:
            load_model(cut)
        one_line(error)


@pytest.mark.parametrize(
    ("location", "says"),
    [("gone.bin", "missing"), ("../weights.bin", "outside"), ("/etc/passwd", "outside")],
)
def test_external_data_elsewhere(external_mlp: Path, location: str, says: str) -> None:
    proto = onnx.load(str(external_mlp), load_external_data=False)
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    (external_mlp.parent.parent / "weights.bin").touch()
    external_mlp.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match=says) as error:
        load_model(external_mlp)
    one_line(error)


def test_external_data_through_a_link_that_leaves_the_folder(external_mlp: Path) -> None:
    weights = external_mlp.with_suffix(".bin")
    outside = external_mlp.parent.parent / f"{external_mlp.parent.name}-outside.bin"
    weights.rename(outside)
    weights.symlink_to(outside)
    with pytest.raises(ModelError, match="outside"):
        load_model(external_mlp)


def test_external_data_that_is_too_short(external_mlp: Path) -> None:
    os.truncate(external_mlp.with_suffix(".bin"), 8)
    with pytest.raises(ModelError, match="shorter") as error:
        load_model(external_mlp)
    one_line(error)


def test_a_model_larger_than_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    size = 1 << 42
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[size // 4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "huge.bin"), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "huge",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [size // 4])],
        [tensor],
    )
    path = tmp_path / "huge.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    )
    with (tmp_path / "huge.bin").open("wb") as weights:
        weights.truncate(size)  # sparse: it takes no room
    with pytest.raises(ModelError, match="needs at least 4096") as error:
        load_model(path)
    one_line(error)


def test_inputs_that_are_not_tensors(tmp_path: Path) -> None:
    proto = mlp_proto()
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    proto.graph.input.append(sequence)
    path = tmp_path / "sequence.onnx"
    onnx.save(proto, str(path))
    with pytest.raises(ModelError, match="not a tensor") as error:
        load_model(path)
    one_line(error)


def test_weights_listed_among_the_inputs_are_no_inputs(tmp_path: Path) -> None:
    proto = mlp_proto()
    proto.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [8, 8]))
    path = tmp_path / "old.onnx"
    onnx.save(proto, str(path))
    assert [t.name for t in load_model(path).subject.inputs] == ["x"]


def test_dimensions_without_a_name_of_their_own_are_not_one_symbol(tmp_path: Path) -> None:
    proto = mlp_proto()
    dims = proto.graph.input[0].type.tensor_type.shape.dim
    dims[0].dim_param = "?"
    dims[1].dim_param = "?"
    path = tmp_path / "open.onnx"
    onnx.save(proto, str(path))
    assert load_model(path, shapes={"x": (4, 8)}).subject.inputs[0].shape == (4, 8)
    with pytest.raises(OptionError, match="number 1 of input 'x'"):
        load_model(path)


def test_a_model_says_what_it_needs_and_where_its_weights_are(
    mlp: Path, dynamic_mlp: Path, external_mlp: Path
) -> None:
    weights = 8 * 16 * 4
    assert load_model(mlp).needed_bytes == weights + 4 * 8 * 4
    assert load_model(external_mlp).needed_bytes == weights + 4 * 8 * 4
    # More than any memory: this machine only reads it, another may have the room.
    vast = load_model(dynamic_mlp, batch=1 << 50)
    assert vast.needed_bytes == weights + (8 * 4 << 50)
    assert (load_model(mlp).external, load_model(external_mlp).external) == ((), ("external.bin",))
