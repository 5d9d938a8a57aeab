"""What a measurement's kernels are warned of, on profiles that were made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwprof.graph import Kernel, TensorSpec
from hwprof.lut import Table
from hwprof.lut.exchange.to_rows import rows_of
from hwprof.measurement import Measurement, Restart, StopReason, WarningCode
from hwprof.profile import KernelOccurrence, Profile
from hwprof.profiler.warn_kernels import kernel_warnings
from hwprof.report.document import kernel_documents, measurement_document
from hwprof.report.facts import by_op
from hwprof.report.text import kernels_page, measurement_page
from hwprof.samples import Samples
from hwprof.testing.examples import example_device, example_measurement

RUNS = 20
COST_S = 2e-6


def product(size: int, name: str = "MatMul") -> Kernel:
    """A matrix product of 2 size^3 FLOPs."""
    tensor = TensorSpec("t", "float32", (size, size))
    return Kernel("", name, {}, (tensor, tensor), (tensor,))


def occurrence(
    seconds: float, name: str = "k", kernel: Kernel | None = None, calls: int = 1, **more: object
) -> KernelOccurrence:
    """A kernel that takes `seconds` in a run, all its calls together, without the profiler."""
    durations = np.full(RUNS, seconds + COST_S * calls)
    found = kernel or Kernel("", "Other", {}, (), ())
    return KernelOccurrence(name, found, "CPU", durations, calls=calls, **more)  # type: ignore[arg-type]


def measured(latency_s: float, *kernels: KernelOccurrence, **profile: object) -> Measurement:
    wall = np.full(40, latency_s)
    samples = Samples(wall, wall, np.zeros(40, dtype=np.int64))
    return replace(
        example_measurement(0),
        device=replace(example_device(0), threads=1),
        restarts=(Restart(1.0, 1.0, samples, samples, StopReason.PRECISION),),
        warnings=(),
        plan={"per_op": True},
        profile=Profile(
            kernels,
            np.full(RUNS, latency_s),
            np.zeros(RUNS, dtype=np.int64),
            node_cost_s=COST_S,
            **profile,  # type: ignore[arg-type]
        ),
    )


def codes(measurement: Measurement) -> list[WarningCode]:
    return [warning.code for warning in kernel_warnings(measurement)]


def warned(measurement: Measurement) -> Measurement:
    return replace(measurement, warnings=tuple(kernel_warnings(measurement)))


@pytest.mark.parametrize(("sum_s", "adds_up"), [(1.09e-3, True), (0.91e-3, True), (1.2e-3, False)])
def test_a_sum_off_by_a_tenth_is_warned_of_and_not_believed(sum_s: float, adds_up: bool) -> None:
    measurement = measured(1e-3, occurrence(sum_s / 2), occurrence(sum_s / 2, "l"))
    assert measurement.kernels_gap == pytest.approx(sum_s / 1e-3 - 1)
    assert (codes(measurement) == []) == adds_up
    assert (measurement.kernels_reason == "") == adds_up
    document = measurement_document(measurement)
    assert document["kernels_believed"] == adds_up
    if not adds_up:
        (warning,) = kernel_warnings(measurement)
        assert warning.code is WarningCode.KERNELS_DO_NOT_ADD_UP
        assert "1.2 ms where the model takes 1 ms" in warning.message
        assert "kernels do not add up" in kernels_page(warned(measurement)).plain()


def test_a_negative_sum_is_warned_of() -> None:
    tiny = [occurrence(-0.6e-6, f"k{i}") for i in range(8)]
    measurement = measured(10e-6, *tiny)
    assert codes(measurement) == [
        WarningCode.KERNELS_DO_NOT_ADD_UP,
        WarningCode.KERNELS_BELOW_CLOCK,
    ]
    text = measurement_page(measurement).plain() + kernels_page(measurement).plain()
    table = text[text.index("GFLOP/s") :]
    assert "-0.00" not in table
    assert "< 0.001" in table
    (document,) = kernel_documents(measurement.profile)
    assert document["below_clock"]
    assert document["latency_s"] == pytest.approx(-0.6e-6)


def test_one_negative_kernel_of_many_is_no_warning() -> None:
    kernels = [occurrence(50e-6, f"k{i}") for i in range(20)]
    assert codes(measured(1e-3, *kernels, occurrence(-0.2e-6, "flatten"))) == []
    # Many are, and so is a long one.
    many = [occurrence(-0.2e-6, f"f{i}") for i in range(5)]
    assert codes(measured(1e-3, *kernels, *many)) == [WarningCode.KERNELS_BELOW_CLOCK]
    long = occurrence(-20e-6, "f", calls=100)
    assert codes(measured(1e-3, *kernels, long)) == [WarningCode.KERNELS_BELOW_CLOCK]


def test_a_profile_that_is_mostly_the_profilers_is_warned_of() -> None:
    kernels = [occurrence(3e-6, f"k{i}") for i in range(10)]
    (warning,) = kernel_warnings(measured(30e-6, *kernels))
    assert warning.code is WarningCode.KERNELS_BELOW_CLOCK
    assert warning.message.startswith("40% of the profiled time")


def test_a_rate_that_no_machine_has_is_warned_of() -> None:
    work = 2 * 512**3
    fast = measured(1e-5, occurrence(1e-5, "mm", product(512)))
    (warning,) = kernel_warnings(fast)
    assert warning.code is WarningCode.IMPOSSIBLE_RATE
    assert f"mm would do up to {work / 1e-5 / 1e9:.4g} GFLOP/s" in warning.message
    assert warned(fast).kernels_reason
    assert codes(measured(1e-2, occurrence(1e-2, "mm", product(512)))) == []


def test_rates_are_of_one_call() -> None:
    loop = measured(10e-3, occurrence(10e-3, "mm", product(256), calls=100))
    assert codes(loop) == []
    assert loop.profile is not None
    (total,) = by_op(loop.profile)
    assert (total.calls, total.flops) == (100, 100 * 2 * 256**3)
    rate = f"{100 * 2 * 256**3 / 10e-3 / 1e9:.1f}"
    for page in (measurement_page(loop), kernels_page(loop)):
        assert f" {rate}" in page.plain()
        assert " 100 " in page.plain()


def test_branches_that_never_ran_are_named() -> None:
    never = tuple(f"if{i}/then_branch (2 nodes)" for i in range(5))
    measurement = measured(1e-3, occurrence(1e-3), never_ran=never)
    (warning,) = kernel_warnings(measurement)
    assert warning.code is WarningCode.BRANCH_NEVER_RAN
    assert "if0/then_branch (2 nodes)" in warning.message
    assert "and 2 more" in warning.message
    assert measurement_document(measurement)["kernels_never_ran"] == list(never)
    assert measurement.kernels_reason == ""


def test_without_a_profile_or_its_cost_there_is_nothing_to_warn_of() -> None:
    measurement = measured(1e-3, occurrence(5e-3))
    assert measurement.profile is not None
    absent = replace(measurement, profile=None)
    unknown = replace(
        measurement,
        profile=replace(measurement.profile, node_cost_s=None, node_cost_reason="no chains"),
    )
    for each, reason in ((absent, "no profile"), (unknown, "no chains")):
        assert codes(each) == []
        assert each.kernels_gap is None
        assert reason in each.kernels_reason


def test_profiles_without_clean_runs_say_so() -> None:
    measurement = measured(1e-3, occurrence(1e-3))
    assert measurement.profile is not None
    unclean = replace(measurement.profile, run_switches=np.ones(RUNS, dtype=np.int64))
    measurement = replace(measurement, profile=unclean)
    assert "0 of 20 profiled runs were uninterrupted" in measurement_page(measurement).plain()
    assert measurement_document(measurement)["kernels_clean_runs"] is False


def test_a_table_gives_no_latency_that_is_not_to_be_learned_from(table: Table) -> None:
    good = measured(1e-3, occurrence(1e-3), occurrence(0.1e-6, "tiny"))
    bad = replace(measured(1e-3, occurrence(2e-3)), id="b" * 32)
    for each in (good, bad):
        table.add(each)
    found = {(r.measurement_id, r.occurrence.name): r for r in table.kernels()}
    assert found[good.id, "k"].latency_s == pytest.approx(1e-3)
    assert found[good.id, "k"].reason == ""
    assert found[good.id, "tiny"].latency_s is None
    assert "clock" in found[good.id, "tiny"].reason
    assert found[bad.id, "k"].latency_s is None
    assert "do not add up" in found[bad.id, "k"].reason


@pytest.fixture
def table(tmp_path: object) -> object:
    with Table.open(f"{tmp_path}/t.db") as opened:  # type: ignore[arg-type]
        yield opened


def test_exports_tell_calls_and_why_a_kernel_is_not_believed() -> None:
    loop = occurrence(1e-3, "k", calls=7)
    rows = rows_of(measured(1e-3, loop, occurrence(0.1e-6, "tiny")))
    kernels = {row["name"]: row for row in rows if row["record"] == "kernel"}
    assert (kernels["k"]["calls"], kernels["k"]["reason"]) == (7, None)
    assert "clock" in kernels["tiny"]["reason"]
    (bad,) = [r for r in rows_of(measured(1e-3, occurrence(3e-3))) if r["record"] == "kernel"]
    assert "do not add up" in bad["reason"]
