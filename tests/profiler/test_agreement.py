"""Outputs are compared before anything is timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwprof.errors import DeviceError, MeasurementError
from hwprof.machine.host import Pin, snapshot
from hwprof.measurement import Energy
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.models.outputs import OutputTensor
from hwprof.profiler.agreement import Agreement, difference, verdict
from hwprof.profiler.bench import measure_on
from hwprof.profiler.plan import Plan
from hwprof.samples import Samples
from hwprof.targets.base import ANYWHERE, Run
from hwprof.targets.local import LocalRun
from hwprof.testing.replay import ReplayDevice, ReplaySession, ReplayTarget, replay_spec

PLAN = Plan(pin="none", per_op=False)
SPEC = replace(replay_spec(), precision="fp32")


class Answering(ReplayTarget):
    """A recording that also hands out given outputs, and counts what it was asked."""

    def __init__(self, outputs: Sequence[np.ndarray], precision: str = "fp32") -> None:
        wall = np.full(64, 1e-3)
        spec = replace(replay_spec(), precision=precision)
        recording = Samples(wall, wall, np.zeros(64, dtype=np.int64))
        self.device = ReplayDevice(recording, spec=spec)
        self.given = tuple(OutputTensor.of(value) for value in outputs)
        self.calls: list[str] = []
        super().__init__([self.device], snapshot())

    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        session = self.device.open(model)
        return _Run(session, self)


class _Run(LocalRun):
    def __init__(self, session: ReplaySession, target: Answering) -> None:
        super().__init__(session, energy=lambda: Energy(reason="none"))
        self._target = target

    def time(self, samples: int, loops: int = 1) -> Samples:
        self._target.calls.append("time")
        return super().time(samples, loops)

    def outputs(self) -> tuple[OutputTensor, ...]:
        self._target.calls.append("outputs")
        return self._target.given


@pytest.fixture
def model(mlp: Path) -> Model:
    return load_model(mlp)


def test_a_device_that_agrees_is_measured_and_says_so(model: Model) -> None:
    answer = np.array([[1.0, -4.0]], dtype=np.float32)
    device = Answering([answer * (1 + 1e-5)])
    agreement = Agreement(Answering([answer]))
    measurement = measure_on(model, device, PLAN, check=agreement.of(model, SPEC))
    outputs = measurement.provenance.outputs
    assert outputs is not None
    assert outputs.error == pytest.approx(1e-5, rel=0.1)
    assert outputs.text == "within 1e-05 of ONNX Runtime's (allowed 0.001 at fp32)"
    # Last, where the comparison disturbs neither latency nor memory.
    assert device.calls[-1] == "outputs"
    assert device.calls.count("outputs") == 1


def test_a_fast_wrong_answer_is_an_error(model: Model) -> None:
    answer = np.array([1.0, 2.0], dtype=np.float32)
    device = Answering([answer + 0.1])
    agreement = Agreement(Answering([answer]))
    with pytest.raises(MeasurementError, match="something else than ONNX Runtime") as error:
        measure_on(model, device, PLAN, check=agreement.of(model, SPEC))
    assert "off by 0.05" in str(error.value)
    assert device.calls[-1] == "outputs"


def test_the_reference_is_asked_once_per_model(model: Model) -> None:
    answer = [np.ones(2, dtype=np.float32)]
    reference = Answering(answer)
    agreement = Agreement(reference)
    for _ in range(2):
        measure_on(model, Answering(answer), PLAN, check=agreement.of(model, SPEC))
    assert reference.calls == ["outputs"]


def test_onnxruntime_is_not_held_against_itself(model: Model) -> None:
    own = replace(SPEC, name="onnxruntime-cpu", precision="native")
    assert Agreement().of(model, own) is None
    assert Agreement().of(model, replace(own, precision="int8")) is not None


def test_programs_are_held_against_eager_pytorch(model: Model) -> None:
    program = replace(model, format="torch")
    eager = replace(SPEC, name="torch-cpu", options={"mode": "eager"})
    assert Agreement().of(program, eager) is None
    compiled = replace(eager, options={"mode": "compiled"})
    answer = np.ones(2, dtype=np.float32)
    check = Agreement(Answering([answer])).of(program, compiled)
    assert check is not None
    assert check(Answering([answer]).start(model)).reference == "eager PyTorch"


def test_what_cannot_be_compared_is_measured_and_said(model: Model, tmp_path: Path) -> None:
    other = replace(model, format="tflite", path=tmp_path / "m.tflite")
    device = Answering([np.ones(1)])
    measurement = measure_on(other, device, PLAN, check=Agreement().of(other, SPEC))
    outputs = measurement.provenance.outputs
    assert outputs is not None
    assert outputs.error is None
    assert outputs.text == "not compared, because no reference opens '.tflite' files"
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"x")
    check = Agreement().of(replace(model, path=broken), SPEC)
    assert check is not None
    assert "gives no reference" in check(device.start(model)).reason


@pytest.mark.parametrize(
    ("found", "wanted", "error"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.0], [1.0, 4.0], 0.5),
        ([0.5, 0.0], [0.0, 0.0], 0.5),
        ([np.nan, 1.0], [np.nan, 1.0], 0.0),
        ([np.inf, 1.0], [np.inf, 1.0], 0.0),
        ([1.0, 1.0], [np.nan, 1.0], np.inf),
        ([np.nan, 1.0], [1.0, 1.0], np.inf),
        ([np.inf, 1.0], [-np.inf, 1.0], np.inf),
        ([], [], 0.0),
    ],
)
def test_how_far_floats_differ(found: list[float], wanted: list[float], error: float) -> None:
    assert difference(np.array(found), np.array(wanted), 1e-3) == (error, 1e-3)


def test_whole_numbers_are_counted() -> None:
    wanted = np.arange(200)
    assert difference(np.where(wanted < 1, 9, wanted), wanted, 1e-3) == (0.005, 0.01)


def test_shapes_counts_and_precisions() -> None:
    one = [OutputTensor.of(np.ones((1, 4), dtype=np.float32))]
    with pytest.raises(MeasurementError, match=r"shape \[4, 1\]"):
        verdict([OutputTensor.of(np.ones((4, 1), dtype=np.float32))], one, SPEC, "m", "ORT")
    with pytest.raises(MeasurementError, match="gives 0 outputs"):
        verdict([], one, SPEC, "m", "ORT")
    off = [OutputTensor.of(np.full((1, 4), 1.02, dtype=np.float16))]
    half = verdict(off, one, replace(SPEC, precision="fp16"), "m", "ORT")
    assert (half.allowed, half.precision) == (0.03, "fp16")
    far = [OutputTensor.of(np.full((1, 4), 7.0, dtype=np.float32))]
    told = verdict(far, one, replace(SPEC, precision="int8"), "m", "ORT")
    assert (told.error, told.allowed) == (6.0, None)
    assert told.text == "within 6 of ORT's, not judged at int8"
    odd = [OutputTensor.of(np.full((1, 4), np.nan, dtype=np.float32))]
    unlike = verdict(odd, one, replace(SPEC, precision="int8"), "m", "ORT")
    # No figure is made up, and the record can be kept: JSON has no infinity.
    assert unlike.error is None
    assert "different places" in unlike.reason


def test_only_numbers_cross() -> None:
    with pytest.raises(DeviceError, match="--no-check-outputs"):
        OutputTensor.of(np.array(["text"]))
    with pytest.raises(DeviceError, match="unknown type"):
        OutputTensor("object", (1,), b"12345678").array()
    with pytest.raises(DeviceError, match="does not fit"):
        OutputTensor("float32", (3,), b"1234").array()
