"""What MNN ran, led back to the model file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.convert.mnn.file import read_operators
from hwprof.devices.mnn import MnnCpu
from hwprof.devices.mnn.trace import Command
from hwprof.errors import DeviceError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.profile import KernelOccurrence, Profile
from tests.devices.agreement import write_model

RUNS = 3


def profile_of(model: Model) -> Profile:
    with MnnCpu().open(model) as session:
        return session.profile(RUNS).profile


def claims(profile: Profile) -> dict[tuple[str, ...], str]:
    return {o.source_nodes: o.kernel.op for o in profile.occurrences if o.source_nodes}


@pytest.fixture
def fused(tmp_path: Path) -> Path:
    """Two convolutions, one with normalisation and activation, joined and summed up per group."""
    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> TensorProto:
        return numpy_helper.from_array(rng.random(shape, dtype=np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", "s", "s", "s", "s"], ["n"], name="norm"),
        helper.make_node("Relu", ["n"], ["r"], name="relu"),
        helper.make_node("Conv", ["x", "w2"], ["b"], name="second", strides=[1, 1]),
        helper.make_node("Concat", ["r", "b"], ["j"], name="join", axis=1),
        helper.make_node("Conv", ["j", "w3"], ["g"], name="grouped", group=4),
        helper.make_node("HardSwish", ["g"], ["h"], name="swish"),
        helper.make_node("Softmax", ["h"], ["y"], name="soft", axis=1),
    ]
    return write_model(
        tmp_path / "fused.onnx",
        nodes,
        [("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [("y", TensorProto.FLOAT, [1, 16, 8, 8])],
        weights=[
            weight("w1", 8, 3, 3, 3),
            weight("s", 8),
            weight("w2", 8, 3, 1, 1),
            weight("w3", 16, 4, 1, 1),
        ],
    )


def test_fused_and_lowered_nodes_find_their_kernels(fused: Path) -> None:
    profile = profile_of(load_model(fused))
    found = claims(profile)
    assert profile.uncovered == ()
    assert found["first", "norm", "relu"] == "Convolution"
    assert found["second",] == "Convolution"
    assert found["join",] == "Raster"  # the copy that its reader starts with
    grouped = next(op for nodes, op in found.items() if "grouped" in nodes)
    assert grouped == "Convolution"
    assert found["soft",] == "Softmax"


def test_the_command_that_computes_stands_for_the_node(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((4, 8), np.float32), "w")
    path = write_model(
        tmp_path / "gemm.onnx",
        [helper.make_node("Gemm", ["x", "w"], ["y"], name="gemm")],
        [("x", TensorProto.FLOAT, [2, 4])],
        [("y", TensorProto.FLOAT, [2, 8])],
        weights=[weight],
    )
    profile = profile_of(load_model(path))
    # MNN runs it as a convolution, with copies into its layout before and out of it behind.
    assert profile.occurrences[-1].kernel.op == "Raster"
    assert claims(profile) == {("gemm",): "Convolution"}


def test_squeezenet_is_covered_completely(squeezenet: Path) -> None:
    profile = profile_of(load_model(squeezenet))
    assert profile.uncovered == ()
    covered = [node for o in profile.occurrences for node in o.source_nodes]
    assert len(covered) == len(set(covered)) == 66
    # MNN gives the softmax a name of its own, between two changes of shape.
    assert claims(profile)["n65",] == "Softmax"
    assert all(o.durations_s.shape == profile.run_wall_s.shape for o in profile.occurrences)
    assert all((o.durations_s > 0).all() for o in profile.occurrences)
    # The run holds its kernels: no kernel's time is counted twice.
    total = sum(o.durations_s for o in profile.occurrences)
    assert isinstance(total, np.ndarray)
    assert (total <= profile.run_wall_s).all()


def test_equal_kernels_have_equal_keys_and_others_not(squeezenet: Path) -> None:
    by_name: dict[str, KernelOccurrence] = {
        o.name: o for o in profile_of(load_model(squeezenet)).occurrences
    }
    key = {name: o.kernel.key for name, o in by_name.items()}
    assert key["r5"] == key["r12"]  # both 1x1, 16 -> 64 channels at 55x55
    assert key["r5"] != key["r7"]  # 3x3
    assert "strides=2,2" in key["r0"]
    assert "float32[1,64,111,111]" in key["r0"]


def test_names_of_lowered_commands() -> None:
    def parts(name: str) -> tuple[str, str]:
        command = Command(name, "Raster", (), ())
        return command.operator, command.part

    assert parts("y") == ("y", "")
    assert parts("y_raster_12") == ("y", "raster_12")
    assert parts("y__group__1_raster_0") == ("y__group__1", "raster_0")


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.mnn"
    for content in (b"\x10", b"", bytes(range(256)), b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(DeviceError, match="cannot be understood"):
            read_operators(path)
