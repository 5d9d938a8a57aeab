"""The device `tvm-cpu` with the real TVM: laws, answers, errors, threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.devices.tvm import TvmCpu
from hwprof.errors import DeviceError, ModelError, OptionError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.testing.devices import check_bad_model, check_device


def agrees(device: TvmCpu, model: Model) -> None:
    with device.open(model) as session:
        ours = session.outputs()
    with OnnxRuntimeCpu().open(model) as session:
        theirs = session.outputs()
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        expected = other.array()
        np.testing.assert_allclose(
            one.array(), expected, rtol=0, atol=1e-3 * max(1e-9, float(np.abs(expected).max()))
        )


def small(tmp_path: Path, nodes: list[onnx.NodeProto], outputs: list[str], **opsets: int) -> Path:
    """A model of x [2, 6] with some outputs of open shape."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 6])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
    )
    imports = [helper.make_opsetid(domain, opsets[domain]) for domain in opsets]
    proto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), *imports], ir_version=8
    )
    path = tmp_path / "small.onnx"
    onnx.save(proto, str(path))
    return path


def test_laws(mlp: Path) -> None:
    check_device(TvmCpu(), load_model(mlp))


@pytest.mark.parametrize("pipeline", ["zero", "static_shape_tuning", "default"])
def test_answers_are_those_of_onnxruntime(pipeline: str, mlp: Path) -> None:
    agrees(TvmCpu(pipeline=pipeline), load_model(mlp))


def test_open_dimensions_are_fixed(dynamic_mlp: Path) -> None:
    agrees(TvmCpu(), load_model(dynamic_mlp, batch=3))


def test_inputs_are_fed_by_name(two_inputs: Path) -> None:
    agrees(TvmCpu(), load_model(two_inputs, shapes={"ids": (2, 5), "mask": (2, 5, 1)}))


def test_weights_beside_the_model(external_mlp: Path) -> None:
    agrees(TvmCpu(), load_model(external_mlp))


def test_integers_and_a_trained_model(magika_model: Path) -> None:
    agrees(TvmCpu(), load_model(magika_model, batch=1))


def test_outputs_keep_their_order(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b"], name="split", axis=1),
        helper.make_node("Exp", ["a"], ["e"], name="exp"),
    ]
    agrees(TvmCpu(), load_model(small(tmp_path, nodes, ["e", "b", "a"])))


def test_a_missing_operator_is_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Hardmax", ["x"], ["h"]), helper.make_node("Det", ["h"], ["y"])]
    model = load_model(small(tmp_path, nodes, ["y"]))
    with pytest.raises(ModelError, match=r"no operators? .*'Det'") as caught:
        TvmCpu().open(model)
    assert "\n" not in str(caught.value)


def test_a_strangers_operator_is_not_taken_for_a_standard_one(tmp_path: Path) -> None:
    node = helper.make_node("Exp", ["x"], ["y"], domain="some.vendor")
    model = load_model(small(tmp_path, [node], ["y"], **{"some.vendor": 1}))
    with pytest.raises(ModelError, match=r"'Exp' of domain 'some.vendor'"):
        TvmCpu().open(model)


def test_bad_models_are_refused(mlp: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(mlp.read_bytes()[:100])
    check_bad_model(TvmCpu(), Model(broken, load_model(mlp).subject))
    with pytest.raises(ModelError, match=r"opens ONNX models"):
        TvmCpu().open(Model(mlp, load_model(mlp).subject, "torch"))


def test_a_model_that_does_not_compile_says_so(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.zeros((5, 4), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")],
        "wrong",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weight],
    )
    path = tmp_path / "wrong.onnx"
    onnx.save(helper.make_model(graph, ir_version=8), str(path))
    check_bad_model(TvmCpu(), load_model(path))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"threads": "0"}, "threads"),
        ({"pipeline": "fast"}, "pipeline must be one of"),
        ({"tune": "many", "database": "."}, "number of trials"),
        ({"tune": "8"}, "add database=FOLDER"),
        ({"database": "/nowhere/at/all"}, "no folder"),
        ({"pipeline": "default", "database": "."}, "applies no schedules"),
        ({"opt": "3"}, "has no option 'opt'"),
    ],
)
def test_options_are_checked(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(OptionError, match=complaint):
        TvmCpu.create(options)


def test_spec_states_every_setting() -> None:
    spec = TvmCpu.create({"pipeline": "static_shape_tuning"}).spec
    assert spec.options["pipeline"] == "static_shape_tuning"
    assert spec.options["mcpu"] not in ("", "auto")
    assert (spec.options["tune"], spec.options["database"]) == ("0", "none")
    assert spec.runtime_build.startswith("LLVM ")
    assert TvmCpu().spec.fingerprint != spec.fingerprint


def test_an_unknown_processor_is_refused() -> None:
    with pytest.raises(DeviceError, match="no processor 'z80'"):
        _ = TvmCpu(mcpu="z80").spec


def test_threads_are_in_force() -> None:
    # TVM starts its threads once per process, so the number is tried in one of its own.
    code = (
        "import os; from hwprof.devices.tvm.runtime import import_runtime, set_threads\n"
        "from hwprof.errors import DeviceError\n"
        "tvm = import_runtime(); set_threads(tvm, 2)\n"
        "assert os.environ['TVM_BIND_THREADS'] == '0'\n"
        "print(tvm.get_global_func('runtime.NumThreads')())\n"
        "try: set_threads(tvm, 4)\n"
        "except DeviceError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    assert first == "2"
    assert "runs on 2 threads in this process and cannot be given 4" in second
