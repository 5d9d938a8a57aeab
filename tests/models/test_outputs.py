"""Outputs as declared and as computed."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest

from hwprof.codec import from_json, to_json
from hwprof.errors import DeviceError
from hwprof.models.load import load_model
from hwprof.models.outputs import (
    MAX_COMPARED_BYTES,
    DeclaredOutput,
    OutputTensor,
    declared_outputs,
    refuse_large,
)
from tests.small_models import mlp_proto


def test_outputs_are_those_of_the_file(mlp: Path, dynamic_mlp: Path) -> None:
    (fixed,) = declared_outputs(load_model(mlp))
    assert (fixed.name, fixed.dtype, fixed.shape) == ("y", "float32", (4, 8))
    (dynamic,) = declared_outputs(load_model(dynamic_mlp, batch=2))
    # The file leaves it open; the subject's input decides it.
    assert dynamic.shape == (2, 8)


def test_a_stale_shape_gives_way_to_what_the_graph_computes(tmp_path: Path) -> None:
    proto = mlp_proto(rows="rows")
    proto.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1000
    onnx.save(proto, str(tmp_path / "stale.onnx"))
    (found,) = declared_outputs(load_model(tmp_path / "stale.onnx", batch=3))
    assert (found.shape, found.nbytes) == ((3, 8), 96)


def test_what_hangs_on_values_is_what_the_file_says(tmp_path: Path) -> None:
    ends = [
        onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [4]),
        onnx.helper.make_tensor_value_info("y", onnx.TensorProto.INT64, [1, "found"]),
    ]
    node = onnx.helper.make_node("NonZero", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "m", ends[:1], ends[1:])
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8),
        str(tmp_path / "found.onnx"),
    )
    (found,) = declared_outputs(load_model(tmp_path / "found.onnx"))
    assert (found.shape, found.nbytes) == (None, None)


@pytest.mark.parametrize(
    "value",
    [
        np.array(["cat", "über", ""], object),
        np.array([[b"raw"]], object),
        [np.ones(2, np.float32), np.ones((1, 3), np.int64)],
        [{"a": 0.25, "b": 0.75}, {"a": 1.0, "b": 0.0}],
        {1: 0.5},
        [],
        None,
        [[np.ones(1)], [np.zeros(2)]],
        3.5,
    ],
)
def test_every_kind_of_output_crosses(value: object) -> None:
    outputs = (OutputTensor.of(value),)
    assert from_json(to_json(outputs), tuple[OutputTensor, ...]) == outputs


def test_types_of_few_bits_become_numpys() -> None:
    for name, kept in (("bfloat16", "float32"), ("int4", "int8"), ("float8_e4m3fn", "float32")):
        found = OutputTensor.of(np.array([1, 2], getattr(ml_dtypes, name)))
        assert (found.dtype, found.array().tolist()) == (kept, [1, 2])


@pytest.mark.parametrize("data", [b"[1]", b"{}", b"[", b'["a", "b", "c"]', b"[" * 100_000])
def test_texts_from_elsewhere_are_checked(data: bytes) -> None:
    with pytest.raises(DeviceError, match="does not fit its shape"):
        OutputTensor("text", (2,), data).array()


def test_what_is_too_large_is_refused() -> None:
    refuse_large(MAX_COMPARED_BYTES)
    with pytest.raises(DeviceError, match="at most 128 MiB are compared"):
        refuse_large(MAX_COMPARED_BYTES + 1)


def test_outputs_are_dressed_as_declared() -> None:
    found = DeclaredOutput("y", "int64", ()).dress(np.array([3], np.int32))
    assert (found.dtype, found.shape) == (np.int64, ())
    assert DeclaredOutput("y", "bool", None).dress(np.array([1, 0], np.int32)).tolist() == [
        True,
        False,
    ]
    strange = np.zeros(3, np.float32)
    assert DeclaredOutput("y", "bfloat16", (2, 2)).dress(strange) is strange
