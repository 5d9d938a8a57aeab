"""LiteRT model files, made by hwprof's own writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwprof.convert.litert.model import to_litert
from hwprof.models.load import load_model


@pytest.fixture
def mlp_tflite(mlp: Path, tmp_path: Path) -> Path:
    """x [4, 8] -> fully connected with Relu -> y."""
    target = tmp_path / "mlp.tflite"
    to_litert(mlp, load_model(mlp).subject.inputs, target)
    return target


@pytest.fixture
def open_rows(mlp_tflite: Path) -> Path:
    """The same model with its number of rows left open, as exporters write a dynamic batch."""
    return rewritten(mlp_tflite, "open_rows.tflite", _open_rows)


@pytest.fixture
def custom_operator(mlp_tflite: Path) -> Path:
    """The same model with an operator that no runtime has."""
    return rewritten(mlp_tflite, "custom.tflite", _custom)


def _open_rows(model: object, schema: object) -> None:
    for tensor in model.subgraphs[0].tensors:  # type: ignore[attr-defined]
        if list(tensor.shape) == [4, 8]:
            tensor.shapeSignature = np.array([-1, 8], np.int32)


def _custom(model: object, schema: object) -> None:
    code = model.operatorCodes[0]  # type: ignore[attr-defined]
    code.builtinCode = schema.BuiltinOperator.CUSTOM  # type: ignore[attr-defined]
    code.deprecatedBuiltinCode = code.builtinCode
    code.customCode = "acme.Magic"
    model.subgraphs[0].operators[0].builtinOptions = None  # type: ignore[attr-defined]
    model.subgraphs[0].operators[0].builtinOptionsType = 0  # type: ignore[attr-defined]


def rewritten(path: Path, name: str, change: Callable[[object, object], None]) -> Path:
    """A copy of a model with something changed and its weights inside, where exporters put them."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    data = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:
            inside = data[buffer.offset : buffer.offset + buffer.size]
            buffer.data = np.frombuffer(inside, np.uint8)
            buffer.offset = buffer.size = 0
    change(model, schema)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    target = path.with_name(name)
    target.write_bytes(bytes(builder.Output()))
    return target
