"""Files with values that were made to run code, read other files or fill a memory."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from hwprof.errors import HwprofError, OptionError
from hwprof.models.inputs.files import joined, read_folder, read_npy, read_npz, read_pb
from hwprof.models.inputs.recipe import Recipe
from hwprof.models.load import load_model


def refused(read: Callable[[], object]) -> str:
    with pytest.raises(OptionError) as error:
        read()
    text = str(error.value)
    assert "\n" not in text
    return text


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin1")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': ('<f4', (1073741824,)), 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 70 + "), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",), }",
    "{'descr': 'no type', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': (1,), }",
    "(" * 3000,
    "{",
]


@pytest.mark.parametrize("header", HEADERS)
def test_headers_that_promise_too_much(header: str, tmp_path: Path) -> None:
    alone, packed = tmp_path / "x.npy", tmp_path / "x.npz"
    alone.write_bytes(npy(header, bytes(16)))
    assert "is no .npy file" in refused(lambda: read_npy(alone))
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.npy", npy(header, bytes(16)))
    assert "is no .npz file" in refused(lambda: read_npz(packed))


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.save(content, np.array([os.getcwd], object), allow_pickle=True)
    path = tmp_path / "x.npy"
    path.write_bytes(content.getvalue())
    assert "is no .npy file" in refused(lambda: read_npy(path))
    path.write_bytes(b"cos\nabort\n(tR.")  # unpickling it would end this process
    assert "is no .npy file" in refused(lambda: read_npy(path))


def changed_directory(content: bytes, place: int, form: str, value: int) -> bytes:
    """The archive with one number of its directory's first entry changed."""
    at = content.rindex(b"PK\x01\x02") + place
    return content[:at] + struct.pack(form, value) + content[at + struct.calcsize(form) :]


def test_archives_that_unpack_to_more_than_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.zeros(1000, np.float32))
    whole = path.read_bytes()
    assert read_npz(path)["x"].shape == (1000,)  # type: ignore[union-attr]
    path.write_bytes(changed_directory(whole, 24, "<I", 2**31))
    assert "larger than they are" in refused(lambda: read_npz(path))
    path.write_bytes(changed_directory(whole, 20, "<I", 2**31))
    assert "over one another" in refused(lambda: read_npz(path))
    path.write_bytes(changed_directory(whole, 8, "<H", 1))
    assert "is no .npz file" in refused(lambda: read_npz(path))  # encrypted
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", npy(HEADERS[0]))
    assert "does not write" in refused(lambda: read_npz(path))


def test_numbers_of_a_sequence_are_short() -> None:
    one = np.zeros(1)
    name = f"q.{'9' * 5000}"
    assert set(joined({name: one, "q.0": one}, ["q"])) == {name, "q"}


def test_test_data_does_not_read_other_files(tmp_path: Path) -> None:
    outside = TensorProto(name="x", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="/etc/passwd")
    sequence = onnx.SequenceProto(name="x", elem_type=1, tensor_values=[outside])
    optional = onnx.OptionalProto(name="x", elem_type=1, tensor_value=outside)
    for proto in (outside, sequence, optional):
        path = tmp_path / "input_0.pb"
        path.write_bytes(proto.SerializeToString())
        assert "is no tensor, sequence or optional" in refused(lambda: read_folder(tmp_path, ["x"]))


@pytest.mark.parametrize(
    "proto",
    [
        TensorProto(name="x", data_type=1, dims=[2**62]),
        TensorProto(name="x", data_type=1, dims=[2**62, 2**62], raw_data=bytes(4)),
        TensorProto(name="x", data_type=1, dims=[-1], raw_data=bytes(4)),
        TensorProto(name="x", data_type=99, dims=[1], raw_data=bytes(4)),
        TensorProto(name="x", data_type=22, dims=[2**40], raw_data=bytes(4)),
    ],
)
def test_test_data_with_shapes_that_cannot_be(proto: TensorProto, tmp_path: Path) -> None:
    path = tmp_path / "input_0.pb"
    path.write_bytes(proto.SerializeToString())
    assert "is no tensor" in refused(lambda: read_pb(path))
    path.write_bytes(numpy_helper.from_array(np.zeros(2, np.float32)).SerializeToString()[:-3])
    assert "is no tensor" in refused(lambda: read_pb(path))


@pytest.mark.parametrize("text", ["9" * 5000, "1e400", "0.." + "9" * 5000, "nan", "x" * 9000])
def test_numbers_that_are_none(text: str) -> None:
    assert len(refused(lambda: Recipe.parse(text))) < 300


@pytest.mark.parametrize("text", ["1" + "0" * 30, "-" + "9" * 25, f"0..{10**30}", "1e30"])
def test_numbers_beyond_any_type(text: str, two_inputs: Path) -> None:
    with pytest.raises(HwprofError, match="does not fit"):
        load_model(two_inputs, shapes={"ids": (1, 2)}, inputs={"ids": text})


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    from onnx import helper

    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.STRING, [1])],
        [helper.make_tensor_value_info("y", TensorProto.STRING, [1])],
    )
    path = tmp_path / "texts.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    values = np.array([b"\xff\xfe"])
    assert "holds string" in refused(lambda: load_model(path, inputs={"x": values}))
