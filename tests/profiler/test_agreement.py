"""Outputs are compared before anything is timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from hwprof.conditions import OutputAgreement
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.errors import DeviceError, MeasurementError
from hwprof.machine.host import Pin, snapshot
from hwprof.measurement import Energy
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.models.outputs import OutputTensor
from hwprof.profiler.agreement import Agreement
from hwprof.profiler.bench import measure_on
from hwprof.profiler.plan import Plan
from hwprof.samples import Samples
from hwprof.targets.base import ANYWHERE, Run
from hwprof.targets.local import LocalRun
from hwprof.testing.replay import ReplayDevice, ReplaySession, ReplayTarget, replay_spec
from tests.small_models import mlp_proto

PLAN = Plan(restarts=1, pin="none", per_op=False)
SPEC = replace(replay_spec(), precision="fp32")


class Answering(ReplayTarget):
    """A recording that also hands out given outputs, and counts what it was asked."""

    def __init__(self, outputs: Sequence[object], precision: str = "fp32") -> None:
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


PRECISIONS = ("fp32", "int8")


def judged(
    found: Sequence[object], wanted: Sequence[object], model: Model, precision: str = "fp32"
) -> OutputAgreement:
    device = Answering(found, precision)
    check = Agreement(Answering(wanted)).of(model, replace(SPEC, precision=precision))
    assert check is not None
    return check(device.start(model))


def test_counts_and_shapes_are_right_in_every_precision(model: Model) -> None:
    one = np.ones((1, 4), np.float32)
    for precision in PRECISIONS:
        with pytest.raises(MeasurementError, match=r"shape \[4, 1\] instead of \[1, 4\]"):
            judged([one.T], [one], model, precision)
        with pytest.raises(MeasurementError, match="gives 0 outputs instead of 1"):
            judged([], [one], model, precision)


def test_a_quantisers_error_is_told_and_not_judged(model: Model) -> None:
    one = np.ones((1, 4), np.float32)
    told = judged([one * 7], [one], model, "int8")
    assert (told.error, told.allowed) == (6.0, None)
    assert told.text == "within 6 of ONNX Runtime's, not judged at int8"
    # No figure is made up, and the record can be kept: JSON has no infinity.
    unlike = judged([one * np.nan], [one], model, "int8")
    assert unlike.error is None
    assert "different places" in unlike.reason


def test_sequences_are_not_held_against_tensors(model: Model) -> None:
    ones = np.ones((2, 4), np.float32)
    found = judged([ones], [[ones[0], ones[1]]], model)
    assert "hands out tensors where the model gives sequences" in found.text
    same = judged([[ones[0], ones[1]]], [[ones[0], ones[1]]], model)
    assert same.error == 0.0


def saved(path: Path, proto: onnx.ModelProto) -> Model:
    onnx.save(proto, str(path))
    return load_model(path)


def test_random_numbers_are_not_compared(tmp_path: Path) -> None:
    proto = mlp_proto()
    proto.graph.node.append(onnx.helper.make_node("RandomNormalLike", ["y"], ["z"], name="r"))
    proto.graph.output[0].name = "z"
    noisy = saved(tmp_path / "noisy.onnx", proto)
    reference = Answering([np.ones(1)])
    check = Agreement(reference).of(noisy, SPEC)
    assert check is not None
    text = check(Answering([np.zeros(1)]).start(noisy)).text
    assert text == "not compared, because the model draws random numbers (RandomNormalLike)"
    assert reference.calls == []


def test_outputs_that_are_too_large_are_never_computed(tmp_path: Path) -> None:
    large = saved(tmp_path / "large.onnx", mlp_proto(rows=40_000_000))
    device, reference = Answering([]), Answering([])
    check = Agreement(reference).of(large, SPEC)
    assert check is not None
    reason = check(device.start(large)).reason
    assert reason == "the outputs are 1221 MiB, and at most 128 MiB are compared"
    assert (device.calls, reference.calls) == ([], [])


class InProcess(ReplayTarget):
    """ONNX Runtime in this process, at the level that is asked for."""

    def __init__(self, level: str = "none") -> None:
        self.device = OnnxRuntimeCpu(level=level)

    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        return LocalRun(self.device.open(model), energy=lambda: Energy(reason="none"))


def qdq_proto(zero_point: int = 0, scale: float = 1.0) -> onnx.ModelProto:
    """A matrix product between quantised ends; the zero point does a Relu's work."""
    rng = np.random.default_rng(3)
    w = (rng.standard_normal((16, 16)) * 40 * scale).clip(-127, 127).astype(np.int8)
    stored = {"sx": 1 / 255, "sw": 0.01, "sy": 0.02}
    weights = [onnx.numpy_helper.from_array(np.array(v, np.float32), n) for n, v in stored.items()]
    weights += [
        onnx.numpy_helper.from_array(w, "w"),
        onnx.numpy_helper.from_array(np.array(0, np.int8), "zw"),
        onnx.numpy_helper.from_array(np.array(0, np.uint8), "z"),
        onnx.numpy_helper.from_array(np.array(zero_point, np.uint8), "zy"),
    ]
    node = onnx.helper.make_node
    graph = onnx.helper.make_graph(
        [
            node("QuantizeLinear", ["x", "sx", "z"], ["xq"], name="q"),
            node("DequantizeLinear", ["xq", "sx", "z"], ["xd"], name="dq"),
            node("DequantizeLinear", ["w", "sw", "zw"], ["wd"], name="dqw"),
            node("MatMul", ["xd", "wd"], ["m"], name="mm"),
            node("QuantizeLinear", ["m", "sy", "z"], ["mq"], name="qy"),
            node("DequantizeLinear", ["mq", "sy", "zy"], ["y"], name="dqy"),
        ],
        "qdq",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [4, 16])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [4, 16])],
        weights,
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.fixture
def quantised(tmp_path: Path) -> Model:
    return saved(tmp_path / "qdq.onnx", qdq_proto())


def right(model: Model) -> np.ndarray:
    with InProcess().start(model) as run:
        return run.outputs()[0].array()


def test_one_step_of_a_quantised_model_is_no_fault(quantised: Model) -> None:
    off = right(quantised).copy()
    off[np.unravel_index([3, 20, 41], off.shape)] += np.float32(0.02)
    check = Agreement(InProcess()).of(quantised, SPEC)
    assert check is not None
    found = check(Answering([off]).start(quantised))
    assert found.rounding == "quantised"
    assert found.error is not None
    assert found.allowed is not None
    assert 1e-3 < found.error <= found.allowed


@pytest.mark.parametrize("change", [{"zero_point": 8}, {"scale": 1.5}])
def test_a_wrong_quantised_model_is_told(
    quantised: Model, tmp_path: Path, change: dict[str, float]
) -> None:
    wrong = saved(tmp_path / "wrong.onnx", qdq_proto(**change))  # type: ignore[arg-type]
    check = Agreement(InProcess()).of(quantised, SPEC)
    assert check is not None
    with pytest.raises(MeasurementError, match="its roundings explain"):
        check(Answering([right(wrong)]).start(quantised))
    turned = np.ascontiguousarray(right(quantised).T).reshape(4, 16)
    with pytest.raises(MeasurementError, match="something else"):
        check(Answering([turned]).start(quantised))


def test_a_quantised_model_is_checked_on_onnxruntime_and_never_refused(quantised: Model) -> None:
    own = replace(SPEC, name="onnxruntime-cpu", precision="native")
    assert Agreement().of(quantised, replace(own, options={"opt": "none"})) is None
    check = Agreement(InProcess()).of(quantised, own)
    assert check is not None
    assert check(InProcess("all").start(quantised)).note == ""
    wrong = check(Answering([right(quantised) * 2]).start(quantised))
    assert "computes something else when it optimises" in wrong.text


class Truths:
    """Hands out what each way of computing a model gives."""

    def __init__(self, plain: float, optimised: float, evaluator: float | str) -> None:
        self._plain, self._optimised, self._evaluator = plain, optimised, evaluator

    def plain(self, model: Model) -> tuple[OutputTensor, ...]:
        return (OutputTensor.of(np.array([self._plain, 1.0])),)

    def optimised(self, model: Model) -> tuple[OutputTensor, ...]:
        return (OutputTensor.of(np.array([self._optimised, 1.0])),)

    def evaluator(self, model: Model) -> tuple[OutputTensor, ...] | str:
        if isinstance(self._evaluator, str):
            return self._evaluator
        return (OutputTensor.of(np.array([self._evaluator, 1.0])),)


@pytest.mark.parametrize(
    ("optimised", "evaluator", "says"),
    [
        (0.5, 0.5, ""),
        (0.9, 0.5, ""),
        (0.9, "it knows no Frobnicate", "not judged, because ONNX Runtime computes it in two ways"),
        (0.9, 0.9, "of onnx's reference evaluator's (allowed"),
        (0.9, 0.7, "not judged, because neither"),
    ],
)
def test_where_the_reference_is_in_doubt_a_third_decides(
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    optimised: float,
    evaluator: float | str,
    says: str,
) -> None:
    # A device that says 0.9 where the plain graph says 0.5.
    truths = Truths(0.5, optimised, evaluator)
    monkeypatch.setattr("hwprof.profiler.agreement.Truth", lambda *given: truths)
    check = Agreement().of(model, SPEC)
    assert check is not None
    run = Answering([np.array([0.9, 1.0])]).start(model)
    if not says:
        with pytest.raises(MeasurementError, match="something else than ONNX Runtime"):
            check(run)
    else:
        assert says in check(run).text


def test_half_precision_is_judged_by_what_it_rounds(model: Model) -> None:
    """A device in fp16 may round; a wrong weight is told although 3 % would hide it."""
    half = replace(SPEC, precision="fp16")
    check = Agreement(InProcess()).of(model, half)
    assert check is not None
    exact = right(model)
    rounded = exact * (1 + 5e-4 * np.sign(np.random.default_rng(0).random(exact.shape) - 0.5))
    assert check(Answering([rounded.astype(np.float32)]).start(model)).error is not None
    with pytest.raises(MeasurementError, match="its roundings explain"):
        check(Answering([exact * np.float32(1.02)]).start(model))


def test_only_numbers_cross() -> None:
    with pytest.raises(DeviceError, match="--no-check-outputs"):
        OutputTensor.of(np.array(["2026-01-01"], "datetime64[D]"))
    with pytest.raises(DeviceError, match="unknown type"):
        OutputTensor("object", (1,), b"12345678").array()
    with pytest.raises(DeviceError, match="does not fit"):
        OutputTensor("float32", (3,), b"1234").array()
