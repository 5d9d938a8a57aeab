"""Profiles: every kernel led back to the nodes it computes, with LiteRT's own figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from hwprof.devices.litert import LiteRtCpu, native
from hwprof.devices.litert.align import align
from hwprof.devices.litert.partitions import partitions_of
from hwprof.errors import DeviceError
from hwprof.models.load import load_model
from hwprof.profile import Profile
from tests.devices.litert.models import node, positive, save, weights


def profile_of(path: Path, delegate: str = "xnnpack") -> Profile:
    with LiteRtCpu(delegate=delegate).open(load_model(path)) as session:
        return session.profile(3).profile


@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
def test_every_node_with_work_has_a_kernel(delegate: str, squeezenet: Path) -> None:
    profile = profile_of(squeezenet, delegate)
    covered = {name for o in profile.occurrences for name in o.source_nodes}
    nodes = onnx.load(squeezenet, load_external_data=False).graph.node
    working = [n for n in nodes if n.op_type not in ("ConstantOfShape", "Dropout")]
    assert len(covered) == len(working)
    assert profile.uncovered == ()
    # Kernels cannot take longer than the runs that they are part of.
    total = sum(o.durations_s for o in profile.occurrences)
    assert np.all(total > 0)
    assert np.all(total <= profile.run_wall_s)


def test_what_xnnpack_lacks_is_told_apart(tmp_path: Path) -> None:
    """Groups of operators around one that XNNPACK does not compute."""
    path = save(
        tmp_path / "model.onnx",
        [
            node("Conv", "x w", "c"),
            node("LRN", "c", "l", size=3),
            node("Relu", "l", "r"),
            node("Conv", "r v", "y"),
        ],
        {"x": (1, 8, 12, 12)},
        ["y"],
        {"w": weights(8, 8, 3, 3), "v": weights(4, 8, 1, 1)},
    )
    kernels = {o.source_nodes: o for o in profile_of(path).occurrences}
    assert kernels["l",].provider == "LiteRT builtin kernels"
    assert kernels["l",].kernel.op == "LOCAL_RESPONSE_NORMALIZATION"
    assert kernels["c",].provider == kernels["y",].provider == "XNNPACK"
    assert kernels["y",].kernel.attributes["operator"] == "CONV_2D"


def test_a_folded_pad_is_part_of_the_kernel(tmp_path: Path) -> None:
    constants = {
        "w": weights(6, 6, 3, 3), "s": positive(6), "b": weights(6), "m": weights(6, seed=2),
        "v": positive(6, seed=3),
    }  # fmt: skip
    nodes = [
        node("Conv", "x w", "c", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c s b m v", "n"),
        node("Relu", "n", "y"),
    ]
    path = save(tmp_path / "model.onnx", nodes, {"x": (1, 6, 10, 10)}, ["y"], constants)
    (found,) = profile_of(path).occurrences
    assert found.source_nodes == ("c", "n", "y")
    assert found.kernel.attributes["folded PAD"] == "0,0,1,0,1,0,0,0"
    assert found.kernel.inputs[0] is not None
    assert found.kernel.inputs[0].shape == (1, 10, 10, 6)
    # Without XNNPACK the pad is a kernel of its own, and the convolution reads what it wrote.
    pad, conv = profile_of(path, "none").occurrences
    assert (pad.kernel.op, pad.source_nodes) == ("PAD", ())
    assert conv.kernel.inputs[0] is not None
    assert conv.kernel.inputs[0].shape == (1, 11, 11, 6)


def test_keys_tell_shapes_and_options_apart(squeezenet: Path) -> None:
    profile = profile_of(squeezenet)
    keys = [o.kernel.key for o in profile.occurrences]
    assert 20 < len(set(keys)) < len(keys)
    assert all("float32[" in key for key in keys)
    assert any("strideH=2" in key for key in keys)


def test_operators_are_the_nodes_of_a_litert_model(open_rows: Path) -> None:
    model = load_model(open_rows, batch=7)
    with LiteRtCpu(delegate="none").open(model) as session:
        run = session.profile(2)
    (found,) = run.profile.occurrences
    assert found.source_nodes == ("FULLY_CONNECTED_0",)
    assert found.kernel.inputs[0] is not None
    assert found.kernel.inputs[0].shape == (7, 8)
    assert run.weights_bytes == (8 * 8 + 8) * 4
    assert run.mapping == "by operator number"


def test_an_unknown_version_is_refused(mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its structures may differ, and reading them wrongly would be worse than no profile."""
    monkeypatch.setattr(native, "version", lambda: "9.0.0")
    with pytest.raises(DeviceError, match=r"9\.0\.0 is not known to hwprof; .*--no-per-op"):
        profile_of(mlp)


def test_alignment_follows_kind_and_order() -> None:
    codes = ["PAD", "CONV_2D", "ADD", "CONCATENATION", "CONV_2D", "SOFTMAX"]
    kernels = [
        "Convolution (NHWC, F32) IGEMM",
        "Add (ND)",
        "Clamp (NC)",
        "Copy (NC, X32)",
        "Fully Connected (NC, F32) GEMM",
        "Softmax (NC, F32)",
    ]
    found = align(codes, kernels)
    assert found.operators == (1, 2, 2, 3, 4, 5)
    assert found.own == (True, True, False, True, True, True)


def test_alignment_leaves_strangers_alone() -> None:
    found = align(["CONV_2D", "ADD"], ["Convolution (NHWC)", "Witchcraft (ND)", "Add (ND)"])
    assert found.operators == (0, None, 1)


def test_groups_are_what_lies_between_their_tensors() -> None:
    nodes = [
        {"op_name": "CONV_2D", "inputs": [0, 1], "outputs": [2]},
        {"op_name": "LOCAL_RESPONSE_NORMALIZATION", "inputs": [2], "outputs": [3]},
        {"op_name": "RELU", "inputs": [3], "outputs": [4]},
        {"op_name": "CONV_2D", "inputs": [4, 5], "outputs": [6]},
        {"op_name": "DELEGATE", "inputs": [0, 1], "outputs": [2]},
        {"op_name": "DELEGATE", "inputs": [3, 5], "outputs": [6]},
    ]
    assert partitions_of(nodes) == ((0,), (2, 3))
