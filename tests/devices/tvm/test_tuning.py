"""Schedules are searched once, kept, found again, and refused where they do not belong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.devices.tvm import TvmCpu
from hwprof.devices.tvm.tuning import RECORDS, check_database
from hwprof.errors import DeviceError
from hwprof.models.load import load_model


@pytest.fixture
def conv(tmp_path: Path) -> Path:
    weight = np.random.default_rng(0).standard_normal((16, 16, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1]),
            helper.make_node("MaxPool", ["c"], ["y"], name="pool", kernel_shape=[2, 2]),
        ],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    path = tmp_path / "conv.onnx"
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, str(path))
    return path


def test_a_tuned_kernel_is_another_one_and_computes_the_same(conv: Path, tmp_path: Path) -> None:
    model = load_model(conv)
    folder = tmp_path / "schedules"
    with TvmCpu().open(model) as session:
        expected = session.outputs()[0].array()
        plain_kernels = [o.kernel.key for o in session.profile(1).profile.occurrences]
    with TvmCpu(tune=2, database=folder).open(model) as session:
        np.testing.assert_allclose(session.outputs()[0].array(), expected, rtol=1e-4, atol=1e-4)
        tuned = session.profile(1).profile
    assert tuned.uncovered == ()
    assert [o.source_nodes for o in tuned.occurrences] == [("conv",), ("pool",)]
    # A schedule is part of what a kernel is.
    assert tuned.occurrences[0].kernel.key != plain_kernels[0]
    records = (folder / RECORDS).read_bytes()
    assert len(records.splitlines()) == 2
    # Known kernels are not searched again.
    with TvmCpu(tune=2, database=folder).open(model) as session:
        again = session.profile(1).profile
    assert [o.kernel.key for o in again.occurrences] == [o.kernel.key for o in tuned.occurrences]
    assert (folder / RECORDS).read_bytes() == records


def write_record(folder: Path, target: object) -> None:
    record = [0, [[[], []], [0.1], target, []]]
    (folder / RECORDS).write_text(json.dumps(record) + "\n", "utf-8")


def test_schedules_of_another_target_are_refused(tmp_path: Path) -> None:
    write_record(tmp_path, {"kind": "llvm", "mcpu": "znver3", "num-cores": 4})
    check_database(tmp_path, "znver3", 4)
    with pytest.raises(DeviceError, match=r"found for mcpu=znver3 and 4 threads, .* and 1;"):
        check_database(tmp_path, "znver3", 1)
    with pytest.raises(DeviceError, match="not for mcpu=znver5"):
        check_database(tmp_path, "znver5", 4)


@pytest.mark.parametrize("text", ["{}\n", "not json\n", "[0, [[], [1]]]\n", '[0, [1, 2, "x"]]\n'])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / RECORDS).write_text(text, "utf-8")
    with pytest.raises(DeviceError, match=r"line 1 of .* is no record"):
        check_database(tmp_path, "znver5", 1)
