"""MNN itself, on real models."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from hwprof.devices.mnn import MnnCpu
from hwprof.errors import DeviceError, ModelError, OptionError
from hwprof.machine.host import hardware
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.testing.devices import check_bad_model, check_device
from tests.devices.agreement import assert_agrees, several_ends, strange_operator, write_model


def test_mnn_keeps_the_laws(squeezenet: Path) -> None:
    check_device(MnnCpu(), load_model(squeezenet))


def test_bad_models_are_refused(mlp: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(mlp.read_bytes()[:100])
    check_bad_model(MnnCpu(), Model(broken, load_model(mlp).subject))


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_real_models_agree_with_onnxruntime(name: str, light: Path) -> None:
    assert_agrees(MnnCpu(), load_model(light / f"light_{name}.onnx"))


def test_whole_numbers_and_open_dimensions_agree(two_inputs: Path) -> None:
    shapes = {"ids": (2, 5), "mask": (2, 5, 1)}
    assert_agrees(MnnCpu(), load_model(two_inputs, shapes=shapes))


def test_ends_keep_their_order_and_inputs_their_values(tmp_path: Path) -> None:
    assert_agrees(MnnCpu(), load_model(several_ends(tmp_path / "ends.onnx")))


def test_types_that_mnn_lacks_come_back_as_declared(tmp_path: Path) -> None:
    floats = (TensorProto.FLOAT, [2, 4])
    path = write_model(
        tmp_path / "types.onnx",
        [
            helper.make_node("Where", ["m", "x", "z"], ["y"]),
            helper.make_node("ArgMax", ["x"], ["i"], axis=1, keepdims=0),
        ],
        [("x", *floats), ("z", *floats), ("m", TensorProto.BOOL, [2, 4])],
        [("y", *floats), ("i", TensorProto.INT64, [2])],
    )
    assert_agrees(MnnCpu(), load_model(path))


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    model = load_model(strange_operator(tmp_path / "strange.onnx"))
    with pytest.raises(ModelError, match="MNN has no operator Frobnicate"):
        MnnCpu().open(model)


def test_control_flow_is_refused(tmp_path: Path) -> None:
    port = (TensorProto.FLOAT, [1, 4])
    branches = {
        name: helper.make_graph(
            [helper.make_node(op, ["x"], [op])],
            name,
            [],
            [helper.make_tensor_value_info(op, *port)],
        )
        for name, op in (("then_branch", "Relu"), ("else_branch", "Neg"))
    }
    path = write_model(
        tmp_path / "if.onnx",
        [
            helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
            helper.make_node("Cast", ["s"], ["c"], to=TensorProto.BOOL),
            helper.make_node("If", ["c"], ["y"], **branches),
        ],
        [("x", *port)],
        [("y", *port)],
    )
    with pytest.raises(ModelError, match="branches or loops"):
        MnnCpu().open(load_model(path))


def test_a_converter_that_crashes_takes_nobody_along(tmp_path: Path) -> None:
    port = (TensorProto.FLOAT, [1, 64, 1])
    nodes = [helper.make_node("STFT", ["x", "step"], ["y"])]
    step = helper.make_tensor("step", TensorProto.INT64, [], [16])
    path = write_model(
        tmp_path / "stft.onnx",
        nodes,
        [("x", *port)],
        [("y", TensorProto.FLOAT, None)],
        weights=[step],
    )
    with pytest.raises(ModelError, match=r"converter ends with SIG\w+ on 'stft\.onnx'"):
        MnnCpu().open(load_model(path))


def test_threads_that_the_machine_lacks_are_refused(mlp: Path) -> None:
    with pytest.raises(DeviceError, match=r"MNN uses \d+ threads where 1024 were asked for"):
        MnnCpu(threads=1024).open(load_model(mlp))


def test_options(mlp: Path) -> None:
    device = MnnCpu.create({"threads": "2", "precision": "fp32"})
    assert (device.threads, device.precision) == (2, "fp32")
    with pytest.raises(OptionError, match="precision must be fp32 or fp16"):
        MnnCpu.create({"precision": "int8"})
    with pytest.raises(ModelError, match="mnn-cpu opens ONNX models"):
        device.open(Model(mlp, load_model(mlp).subject, format="torch"))


def test_a_precision_is_never_silently_another(mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def on(*isa: str) -> None:
        machine = dataclasses.replace(hardware(), isa=isa)
        monkeypatch.setattr("hwprof.devices.mnn.device.hardware", lambda: machine)

    device = MnnCpu(precision="fp16")
    on("asimd", "asimdhp")
    assert device.spec.precision == "fp16"
    on("avx512_fp16")
    assert MnnCpu().spec.precision == "fp32"
    for refused in (lambda: device.spec, lambda: device.open(load_model(mlp))):
        with pytest.raises(DeviceError, match="MNN computes in fp32 on this processor"):
            refused()


def test_nothing_is_printed(mlp: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with MnnCpu().open(load_model(mlp)) as session:
        session.time(2)
        session.outputs()
    assert capfd.readouterr() == ("", "")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MnnCpu.availability().ok
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "MNN" else find(name)
    )
    state = MnnCpu.availability()
    assert state.reason == "MNN is not installed; install it with pip install 'hwprof[mnn]'"
