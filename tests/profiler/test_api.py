"""`hwprof.measure` as a notebook uses it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import hwprof
from hwprof.devices.onnxruntime.runtime import memory_advice, out_of_memory, short_reason
from hwprof.errors import ModelError
from hwprof.profiler.plan import Plan
from tests.small_models import mlp_proto

QUICK = Plan(precision=0.3, budget_s=2, restarts=1, per_op=False)


def test_a_path_and_a_table(mlp: Path, tmp_path: Path) -> None:
    with hwprof.Table.open(tmp_path / "t.db") as table:
        measurement = hwprof.measure(mlp, "cpu", QUICK, table=table)
        assert table.get(measurement.id) == measurement
    assert measurement.subject.name == "mlp"
    assert measurement.latency.headline_s > 0


def test_a_model_in_memory(tmp_path: Path) -> None:
    measurement = hwprof.measure(mlp_proto("n"), plan=QUICK, batch=3)
    assert measurement.subject.name == "mlp"
    assert measurement.subject.batch == 3


def test_kernels_with_their_own_cost_removed(squeezenet: Path) -> None:
    measurement = hwprof.measure(squeezenet, plan=replace(QUICK, per_op=True))
    profile = measurement.profile
    assert profile is not None
    assert profile.node_cost_s is not None
    assert "chains of 20 and 140" in profile.node_cost_source
    covered = {node for o in profile.occurrences for node in o.source_nodes}
    assert len(covered) >= 65
    assert profile.uncovered == ()


def test_the_estimate_is_kept_in_the_table(mlp: Path, tmp_path: Path) -> None:
    with hwprof.Table.open(tmp_path / "t.db") as table:
        for _ in range(2):
            measurement = hwprof.measure(
                mlp, "cpu:opt=basic", replace(QUICK, per_op=True), table=table
            )
        assert table.counts()["calibrations"] == 1
        (kept,) = table.calibrations()
    assert measurement.profile is not None
    assert kept.value == measurement.profile.node_cost_s


def test_errors_are_hwprofs_own(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        hwprof.measure(tmp_path / "missing.onnx")
    with pytest.raises(hwprof.HwprofError):
        hwprof.measure(mlp_proto(), "no-such-device")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[ONNXRuntimeError] : 1 : FAIL : Load model from a b.onnx failed:bad node.", "bad node"),
        (
            "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : /src/a.cc:31 void f(int) Shape differs",
            "Shape differs",
        ),
        ("Opset 99 is under development. domain ai.onnx is till opset 26.", "opset 99"),
        ("No Op registered for Frob with domain_version of 17", "'Frob' in opset 17"),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running If node. "
            "Name:'outer' Status Message: Non-zero status code returned while running Add node. "
            "Name:'sum' Status Message: /src/e.h:583 void Append(int, int) axis == 1 was false",
            "node 'sum' (Add): axis == 1 was false",
        ),
        ("", "RuntimeError"),
    ],
)
def test_the_runtimes_words_without_its_noise(text: str, says: str) -> None:
    reason = short_reason(RuntimeError(text))
    assert says in reason
    assert "ONNXRuntimeError" not in reason
    assert "/src/" not in reason


def test_failed_allocations_are_told_apart() -> None:
    assert out_of_memory(RuntimeError("Exception during initialization: std::bad_alloc"))
    assert out_of_memory(MemoryError())
    assert not out_of_memory(RuntimeError("bad node"))
    assert "more memory" in memory_advice("m.onnx")
