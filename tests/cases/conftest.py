"""Plain ONNX Runtime, which is right, and a measurement in this process, which is watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import pytest

import hwprof
from hwprof.errors import HwprofError
from hwprof.measurement import Measurement
from tests.models_of_reports.watching import QUICK, Watched

Answer = tuple[Measurement, Watched]
Measure = Callable[..., Answer]


@pytest.fixture
def measure() -> Measure:
    """Measure in this process; also what was run there, and what came out."""

    def answer(model: Any, device: str = "onnxruntime-cpu", **options: Any) -> Answer:
        target = Watched(device)
        return hwprof.measure(model, target, QUICK, **options), target

    return answer


@pytest.fixture
def refusal() -> Callable[..., str]:
    """The one sentence that a model is refused with."""

    def sentence(model: Any, device: str = "onnxruntime-cpu", **options: Any) -> str:
        with pytest.raises(HwprofError) as refused:
            hwprof.measure(model, Watched(device), QUICK, **options)
        text = str(refused.value)
        assert "\n" not in text
        assert "; " in text
        return text

    return sentence


def plain(model: onnx.ModelProto, feed: Mapping[str, Any]) -> list[Any]:
    """What ONNX Runtime computes without hwprof."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    outputs: list[Any] = session.run(None, dict(feed))
    return outputs


def assert_same(found: list[np.ndarray] | None, wanted: list[Any]) -> None:
    """Outputs of one runtime, one thread and one feed are equal to the last bit."""
    assert found is not None
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
