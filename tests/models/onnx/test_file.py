from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import hwprof
from hwprof.errors import HwprofError, ModelError, OptionError
from hwprof.models.load import load_model
from hwprof.models.onnx.elements import onnx_dtype
from hwprof.models.onnx.file import parse, read_structure, read_with_weights
from hwprof.targets.worker import WorkerTarget
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
        ({"x": (0, 8)}, None, "fixed at 4,8"),
        ({"x": (-2, 8)}, None, "dimension -2"),
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


def test_a_model_larger_than_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        load_model(path, room_bytes=1 << 40)
    one_line(error)
    # Whose memory it is, the device says.
    with pytest.raises(ModelError, match="the machine that is to run it has"):
        hwprof.measure(path)
    # Where nobody asked before, the target refuses it. Hashing so many zeros would take an hour.
    monkeypatch.setattr("hwprof.models.base.content_hash", lambda files: "0" * 64)
    with pytest.raises(ModelError, match="needs at least 4096"):
        WorkerTarget("onnxruntime-cpu").start(load_model(path))


def test_inputs_that_are_not_tensors(tmp_path: Path) -> None:
    proto = mlp_proto()
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    proto.graph.input.append(sequence)
    path = tmp_path / "sequence.onnx"
    onnx.save(proto, str(path))
    with pytest.raises(OptionError, match=r"is of the type sequence\(float32\)") as error:
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


OPENERS = [parse, read_structure, read_with_weights]


@pytest.mark.filterwarnings("ignore:The onnxtxt format")
@pytest.mark.parametrize("opener", OPENERS)
def test_every_opener_has_one_wording_per_fault(
    opener: Callable[[Path], onnx.ModelProto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(path: Path) -> str:
        with pytest.raises(ModelError) as error:
            opener(path)
        return one_line(error)

    assert says(tmp_path) == f"'{tmp_path}' is a folder; name the model file inside it"
    gone = tmp_path / "gone.onnx"
    assert says(gone) == f"there is no file '{gone}'; check the path"
    cut = "'%s' is not an ONNX model, or is cut off; export or download it again"
    for name in ("cut.onnx", "cut.json", "cut.textproto", "cut.onnxtxt"):
        path = tmp_path / name
        path.write_bytes(b"\xff" if name == "cut.onnx" else b"this is no model")
        assert says(path) == cut % path
    path = tmp_path / "cut.onnx"
    faults: list[tuple[OSError, str]] = [
        (PermissionError(13, "Permission denied"), "may not be read; check its permissions"),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error; check the disk"),
    ]
    for fault, words in faults:
        monkeypatch.setattr(onnx, "load", Mock(side_effect=fault))
        assert says(path) == f"'{path}' {words}"


@pytest.mark.parametrize("opener", [read_structure, read_with_weights])
def test_a_graph_that_computes_nothing_is_no_model(
    opener: Callable[[Path], onnx.ModelProto], tmp_path: Path
) -> None:
    empty = tmp_path / "empty.onnx"
    empty.touch()
    assert not parse(empty).graph.node
    with pytest.raises(ModelError, match="holds no ONNX graph that computes anything; export"):
        opener(empty)
    proto = mlp_proto()
    proto.graph.output[0].name = "lost"
    onnx.save(proto, str(empty))
    with pytest.raises(ModelError, match=r"no node of .* computes its output 'lost'"):
        opener(empty)


def test_weights_come_along_only_where_they_are_asked_for(external_mlp: Path) -> None:
    (first, *_) = read_structure(external_mlp).graph.initializer
    assert first.data_location == TensorProto.EXTERNAL
    (first, *_) = read_with_weights(external_mlp).graph.initializer
    assert first.data_location == TensorProto.DEFAULT
    assert numpy_helper.to_array(first).shape == (8, 8)
    external_mlp.with_suffix(".bin").unlink()
    assert read_structure(external_mlp).graph.node
    with pytest.raises(ModelError, match=r"needs its weights file 'external\.bin' beside it"):
        read_with_weights(external_mlp)


def test_weights_that_onnx_does_not_read_are_refused_in_a_sentence(external_mlp: Path) -> None:
    weights = external_mlp.with_suffix(".bin")
    weights.rename(weights.with_name("real.bin"))
    weights.symlink_to("real.bin")
    with pytest.raises(ModelError, match=r"onnx refuses the weights beside 'external\.onnx'"):
        read_with_weights(external_mlp)


def test_weights_on_a_broken_disk(external_mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = OSError(5, "Input/output error", "external.bin")
    monkeypatch.setattr(
        "onnx.external_data_helper.load_external_data_for_model", Mock(side_effect=fault)
    )
    with pytest.raises(ModelError, match=r"'external\.bin' cannot be read: Input/output error"):
        read_with_weights(external_mlp)


def test_what_the_model_is_made_of_is_told(external_mlp: Path) -> None:
    model = load_model(external_mlp)
    assert model.external == ("external.bin",)
    assert model.needed_bytes == (8 * 8 + 8 + 4 * 8) * 4


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (TensorProto.FLOAT, "float32"),
        (TensorProto.DOUBLE, "float64"),
        (TensorProto.BFLOAT16, "bfloat16"),
        (TensorProto.FLOAT8E5M2, "float8"),
        (TensorProto.STRING, "string"),
        (TensorProto.INT4, "int4"),
        (TensorProto.UNDEFINED, "opaque"),
        (12345, "opaque"),
    ],
)
def test_element_types_have_one_name(number: int, name: str) -> None:
    assert onnx_dtype(number) == name


def test_a_model_says_what_it_needs_and_where_its_weights_are(
    mlp: Path, dynamic_mlp: Path, external_mlp: Path
) -> None:
    weights = (8 * 8 + 8) * 4
    assert load_model(mlp).needed_bytes == weights + 4 * 8 * 4
    assert load_model(external_mlp).needed_bytes == weights + 4 * 8 * 4
    # More than any memory: this machine only reads it, another may have the room.
    vast = load_model(dynamic_mlp, batch=1 << 50)
    assert vast.needed_bytes == weights + (8 * 4 << 50)
    assert (load_model(mlp).external, load_model(external_mlp).external) == ((), ("external.bin",))


def test_of_a_weights_file_each_tensor_reads_its_own(external_mlp: Path) -> None:
    proto = onnx.load(str(external_mlp), load_external_data=False)
    for tensor in proto.graph.initializer:
        kept = [entry for entry in tensor.external_data if entry.key != "length"]
        del tensor.external_data[:]
        tensor.external_data.extend(kept)
    external_mlp.write_bytes(proto.SerializeToString())
    found = read_with_weights(external_mlp).graph.initializer
    assert [len(tensor.raw_data) for tensor in found] == [8 * 8 * 4, 8 * 4]
