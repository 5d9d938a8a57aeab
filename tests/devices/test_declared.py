"""What a device stumbles over before its runtime starts is a sentence, and no crash."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.errors import DeviceError, HwprofError, MeasurementError, ModelError
from hwprof.models.load import load_model


@pytest.mark.parametrize(
    ("raised", "kind", "says"),
    [
        (onnx.checker.ValidationError("Field 'x' is missing\nat line 7"), ModelError, "is missing"),
        (KeyError("y"), ModelError, "onnxruntime-cpu cannot take 'mlp.onnx': 'y'"),
        (MemoryError(), MeasurementError, "memory ran out while onnxruntime-cpu prepared"),
        (DeviceError("as it is"), DeviceError, "as it is"),
    ],
)
def test_other_errors_become_sentences(
    raised: Exception,
    kind: type[HwprofError],
    says: str,
    mlp: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: object, model: object) -> None:
        raise raised

    monkeypatch.setattr(OnnxRuntimeCpu, "open_model", refuse)
    with pytest.raises(kind) as error:
        OnnxRuntimeCpu().open(load_model(mlp))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
