"""Every ONNX operator that is converted, in the forms that differ, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from hwprof.devices.litert import LiteRtCpu
from hwprof.errors import DeviceError, ModelError
from hwprof.models.load import load_model
from tests.convert.litert.cases import CASES, IMAGE, ROWS, W, f32, i64
from tests.devices.litert.models import assert_same, node, save

# XNNPACK computes none of these, and the device does not pass LiteRT's own kernels off as it.
WITHOUT_XNNPACK = frozenset(
    {"lrn", "where", "log softmax", "argmax", "argmin away", "slice backwards", "pad reflect"}
    | {"gather", "gather one", "expand tile", "resize nearest", "resize nearest whole", "upsample"}
)


@pytest.mark.parametrize("name", CASES)
def test_operator(name: str, tmp_path: Path) -> None:
    nodes, inputs, constants, *opset = CASES[name]
    path = save(tmp_path / "model.onnx", nodes, inputs, ["y"], constants, *opset)
    assert_same(path, "none")
    if name in WITHOUT_XNNPACK:
        with pytest.raises(DeviceError, match="ask for them with delegate=none"):
            assert_same(path, "xnnpack")
    else:
        assert_same(path, "xnnpack")


REFUSED: dict[str, tuple[Any, ...]] = {
    "Det has no counterpart": ([node("Det", "x", "y")], {"x": (3, 3)}, {}),
    "Conv takes weights that": (
        [node("Conv", "x z", "y")], {"x": (1, 2, 5, 5), "z": (2, 2, 3, 3)}, {},
    ),
    "Conv has 3 spatial": ([node("Conv", "x w", "y")], {"x": (1, 2, 5, 5, 5)},
                           {"w": W(2, 2, 3, 3, 3)}),
    "MaxPool is dilated": ([node("MaxPool", "x", "y", kernel_shape=[2, 2], dilations=[2, 2])],
                           IMAGE, {}),
    "LRN sums an even": ([node("LRN", "x", "y", size=2)], IMAGE, {}),
    "Resize finds the nearest": ([node("Resize", "x _ s", "y")], IMAGE, {"s": f32(1, 1, 1.5, 1)}),
    "Resize interpolates in mode cubic": (
        [node("Resize", "x _ s", "y", mode="cubic")], IMAGE, {"s": f32(1, 1, 2, 2)},
    ),
    "DepthToSpace takes": ([node("DepthToSpace", "x", "y", blocksize=2, mode="CRD")],
                           {"x": (1, 8, 2, 2)}, {}),
    "Pad pads in mode edge": ([node("Pad", "x p", "y", mode="edge")], ROWS,
                              {"p": i64(0, 1, 0, 1)}),
    "Clip has bounds": ([node("Clip", "x z", "y")], {"x": (3,), "z": ()}, {}),
    "Gemm scales": ([node("Gemm", "x z", "y", alpha=2.0)], {"x": (3, 8), "z": (8, 4)}, {}),
    "Reshape takes|Reshape gives": (
        [node("Cast", "z", "s", to=onnx.TensorProto.INT64), node("Reshape", "x s", "y")],
        {"x": (4, 2), "z": (1,)}, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_converted_is_named(reason: str, tmp_path: Path) -> None:
    nodes, inputs, constants = REFUSED[reason]
    path = save(tmp_path / "model.onnx", nodes, inputs, ["y"], constants)
    with pytest.raises(
        ModelError, match=f"its operator ({reason}).*give the .tflite file"
    ) as error:
        LiteRtCpu().open(load_model(path))
    assert "\n" not in str(error.value)
