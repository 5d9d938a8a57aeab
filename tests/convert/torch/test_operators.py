"""Converters against the test cases that the ONNX package carries for every operator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from hwprof.convert.torch.call import TABLE
from hwprof.convert.torch.module import to_module
from hwprof.errors import ModelError
from hwprof.graph import TensorSpec
from hwprof.measurement import Subject

# Equal values are ranked in another order, which the operator leaves open.
TIES = {"test_top_k_same_values", "test_top_k_same_values_largest", "test_top_k_same_values_2d"}
DATA = {"GatherElements", "GatherND", "ScatterND", "ScatterElements"}
SETTINGS = {"Range", "ConstantOfShape", "LSTM", "GRU", "Resize", "Upsample"}


def cases() -> Iterator[Any]:
    """Cases of one operator that the table has, with tensors that NumPy and torch know."""
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        if case.model is None or len(case.model.graph.node) != 1:
            continue
        (node,) = case.model.graph.node
        arrays = [*case.data_sets[0][0], *case.data_sets[0][1]]
        known = all(isinstance(a, np.ndarray) and _is_plain(a.dtype) for a in arrays)
        if known and node.op_type in TABLE and not node.domain and case.name not in TIES:
            yield case


def _is_plain(dtype: np.dtype[Any]) -> bool:
    # Few of torch's kernels take the wider unsigned integers.
    return dtype.kind in "fib" or dtype == np.uint8


def _is_setting(node: onnx.NodeProto, name: str, value: np.ndarray) -> bool:
    """Whether an input is one that models hold as a constant: axes, shapes, weights."""
    position = list(node.input).index(name)
    if node.op_type in SETTINGS:
        return position > 0 or node.op_type in ("Range", "ConstantOfShape")
    small = value.size <= 64 and (value.dtype.kind == "i" or value.size <= 8)
    return position > 0 and small and node.op_type not in DATA


def _run(case: Any, folder: Path) -> list[torch.Tensor]:
    proto = onnx.ModelProto()
    proto.CopyFrom(case.model)
    (node,) = proto.graph.node
    given, specs = [], []
    for declared, value in zip(proto.graph.input, case.data_sets[0][0], strict=True):
        if _is_setting(node, declared.name, value):
            proto.graph.initializer.append(numpy_helper.from_array(value, declared.name))
        else:
            given.append(torch.from_numpy(np.array(value)))
            specs.append(TensorSpec(declared.name, value.dtype.name, value.shape))
    path = folder / "case.onnx"
    onnx.save(proto, str(path))
    module = to_module(path, Subject("case", "", tuple(specs)))
    return list(module(*given))


# Random figures that some cases are made with overflow on purpose.
@pytest.mark.filterwarnings("ignore")
def test_operators_compute_what_onnx_says(tmp_path: Path) -> None:
    agreed, refused = 0, []
    for case in cases():
        try:
            found = _run(case, tmp_path)
        except ModelError as error:
            refused.append((case.model.graph.node[0].op_type, str(error)))
            continue
        for expected, got in zip(case.data_sets[0][1], found, strict=False):
            value = got.numpy()
            assert (value.shape, value.dtype) == (expected.shape, expected.dtype), case.name
            np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4, err_msg=case.name)
        agreed += 1
    assert [m for op, m in refused if f"({op})" not in m and "torch cannot hold" not in m] == []
    # A converter that begins to refuse what it knew would show here.
    assert agreed > 500
    assert len(refused) < agreed / 4
