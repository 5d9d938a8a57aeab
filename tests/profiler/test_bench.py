"""The measuring loop on recorded samples: no runtime, no waiting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwprof.codec import from_json, to_json
from hwprof.devices.base import ProfiledRun, Session
from hwprof.errors import DeviceError, MeasurementError
from hwprof.graph import Kernel, TensorSpec
from hwprof.machine.host import HostState, Pin, snapshot
from hwprof.measurement import (
    Energy,
    Measurement,
    Memory,
    StopReason,
    Subject,
    Values,
    WarningCode,
)
from hwprof.models.base import Model
from hwprof.profile import KernelOccurrence, Profile
from hwprof.profiler.bench import (
    UNFINISHED,
    ProfilerCosts,
    Progress,
    corrected,
    measure_on,
    profile_runs,
)
from hwprof.profiler.compare import compare_now, compare_stored
from hwprof.profiler.conditions import provenance
from hwprof.profiler.plan import Plan
from hwprof.profiler.restarts import MOST_RESTARTS
from hwprof.samples import Basis, Samples
from hwprof.targets.base import ANYWHERE
from hwprof.targets.local import LocalRun
from hwprof.testing.clock import FakeClock
from hwprof.testing.replay import (
    REPLAY_FACTS,
    ReplayDevice,
    ReplaySession,
    ReplayTarget,
    replay_spec,
)

MODEL = Model(Path("m.onnx"), Subject("m", "0" * 64, (TensorSpec("x", "float32", (1, 3)),), 1))
PINNED = Plan(pin="0", per_op=False, restarts=1)


@pytest.fixture
def state() -> HostState:
    quiet = snapshot()
    return replace(quiet, throttle_events=0, clocks_hz={0: 2e9}, cpu_times={})


def recording(
    level_s: float = 3e-3, n: int = 400, clean: float = 1.0, slowdown: float = 1.0, seed: int = 0
) -> Samples:
    """Runs of `level_s` CPU time; those that are not clean take `slowdown` times as long."""
    rng = np.random.default_rng(seed)
    cpu = level_s * (1 + 0.005 * rng.random(n))
    dirty = rng.random(n) >= clean
    return Samples(np.where(dirty, cpu * slowdown, cpu), cpu, dirty.astype(np.int64))


def on(state: HostState, *recordings: Samples, **device: object) -> ReplayTarget:
    return ReplayTarget([ReplayDevice(r, **device) for r in recordings], state)  # type: ignore[arg-type]


def codes(measurement: Measurement) -> set[WarningCode]:
    return {warning.code for warning in measurement.warnings}


def test_a_quiet_measurement(state: HostState) -> None:
    heard: list[Progress] = []
    measurement = measure_on(
        MODEL, on(state, recording(), setup_s=0.5), PINNED, listen=heard.append
    )
    latency = measurement.latency
    assert latency.headline_s == pytest.approx(3e-3, rel=0.01)
    assert latency.basis is Basis.WALL_CLEAN
    assert measurement.restarts[0].stop is StopReason.PRECISION
    assert measurement.restarts[0].setup_s == 0.5
    assert codes(measurement) == set()
    assert measurement.provenance.pinned
    assert heard[0].phase == "opening"
    assert from_json(to_json(measurement), Measurement) == measurement


def test_contention_is_seen_through_and_said(state: HostState) -> None:
    # Every run interrupted and twice as long: only the CPU time tells.
    busy = recording(clean=0.0, slowdown=2.0)
    measurement = measure_on(MODEL, on(state, busy), PINNED)
    assert measurement.latency.headline_s == pytest.approx(3e-3, rel=0.01)
    assert measurement.latency.basis is Basis.CPU_TIME
    assert codes(measurement) == {WarningCode.CONTENDED, WarningCode.FEW_CLEAN_SAMPLES}


def test_on_several_threads_contention_cannot_be_undone(state: HostState) -> None:
    busy = recording(clean=0.0, slowdown=2.0)
    target = on(state, busy, spec=replay_spec(threads=2))
    measurement = measure_on(MODEL, target, PINNED)
    assert measurement.latency.basis is Basis.WALL_ALL
    assert WarningCode.CONTENDED in codes(measurement)


def test_every_restart_is_opened_anew(state: HostState) -> None:
    target = on(state, recording(seed=1), recording(seed=2), recording(seed=3))
    measurement = measure_on(MODEL, target, replace(PINNED, restarts=3))
    assert [start[1] for start in target.started] == [Pin(cpus=(0,))] * 3
    assert len(measurement.restarts) == 3
    assert measurement.latency.n == sum(len(r.steady) for r in measurement.restarts)


def test_without_a_number_there_are_as_many_processes_as_the_precision_needs(
    state: HostState,
) -> None:
    heard: list[Progress] = []
    asked = replace(PINNED, restarts=None)
    target = on(state, *(recording(seed=seed) for seed in range(10)), setup_s=0.5)
    measurement = measure_on(MODEL, target, asked, listen=heard.append)
    assert 3 < len(measurement.restarts) < 10
    width = measurement.latency.process_width
    assert width is not None
    assert width <= asked.precision
    assert [p.restarts for p in heard if p.phase == "opening"][:3] == [3, 3, 3]
    assert [p.phase for p in heard].count("energy") == 1
    assert measurement.plan["restarts"] is None
    assert codes(measurement) == set()


def test_processes_that_disagree_are_said_and_gone_on_with(state: HostState) -> None:
    levels = (3e-3, 3e-3, 5.7e-3)
    target = on(state, *(recording(level, seed=i) for i, level in enumerate(levels)))
    plan = replace(PINNED, restarts=None)
    measurement = measure_on(MODEL, target, plan)
    assert len(measurement.restarts) == MOST_RESTARTS
    (warning,) = [w for w in measurement.warnings if w.code is WarningCode.RESTARTS_DISAGREE]
    assert "1.90x" in warning.message
    interval = measurement.latency.ci95_s
    assert interval is not None
    assert interval[1] - interval[0] > 0.5e-3


def test_waiting_threads_are_contention_whatever_the_switches_say(state: HostState) -> None:
    quiet = recording()
    for share, expected in ((0.005, False), (0.2, True)):
        waited = 2 * share * quiet.wall_s
        target = on(state, replace(quiet, waited_s=waited), spec=replay_spec(threads=2))
        measurement = measure_on(MODEL, target, PINNED)
        assert measurement.latency.waiting_share == pytest.approx(share)
        assert (WarningCode.CONTENDED in codes(measurement)) is expected
        assert measurement.latency.disturbed is expected


def test_short_runs_are_timed_together(state: HostState) -> None:
    measurement = measure_on(MODEL, on(state, recording(5e-6)), PINNED)
    loops = measurement.restarts[0].steady.loops
    assert loops * 5e-6 >= 190e-6
    assert measurement.latency.headline_s == pytest.approx(5e-6, rel=0.01)


def test_noise_and_a_missing_percentile_are_warned_of(state: HostState) -> None:
    rng = np.random.default_rng(0)
    wild = 0.05 * np.exp(0.5 * rng.standard_normal(400))
    samples = Samples(wild, wild, np.zeros(400, dtype=np.int64))
    plan = Plan(pin="none", per_op=False, percentile=0.99, budget_s=3, restarts=1)
    measurement = measure_on(MODEL, on(state, samples), plan)
    expected = {WarningCode.NOISY, WarningCode.PERCENTILE_UNSUPPORTED, WarningCode.UNPINNED}
    assert codes(measurement) == expected


def test_the_target_is_asked_for_quiet_processors_and_says_which(state: HostState) -> None:
    target = on(state, recording(), spec=replay_spec(threads=2))
    measurement = measure_on(MODEL, target, replace(PINNED, pin="auto"))
    assert [start[1] for start in target.started] == [Pin(quiet=2)]
    assert measurement.provenance.pinned
    target = on(state, recording())
    assert not measure_on(MODEL, target, replace(PINNED, pin="none")).provenance.pinned
    assert [start[1] for start in target.started] == [Pin()]


def test_a_record_tells_of_the_machine_that_was_measured(state: HostState) -> None:
    own = replace(state, load_average=7.0, memory_available_bytes=12345)
    provenance = measure_on(MODEL, on(own, recording()), PINNED).provenance
    told = provenance.kernel, provenance.python_version, provenance.hwprof_version
    assert told == (REPLAY_FACTS.kernel, REPLAY_FACTS.python_version, REPLAY_FACTS.hwprof_version)
    assert provenance.libraries == REPLAY_FACTS.libraries
    assert (provenance.load_average_before, provenance.memory_available_bytes) == (7.0, 12345)


def test_throttling_is_warned_of(state: HostState) -> None:
    states = iter([state, replace(state, throttle_events=2)])
    target = on(state, recording())
    target_state = ReplayTarget.start

    def start(self: ReplayTarget, model: Model, pin: Pin = ANYWHERE) -> object:
        run = target_state(self, model, pin)
        run.host_state = lambda: next(states)  # type: ignore[method-assign]
        return run

    target.start = start.__get__(target)  # type: ignore[method-assign]
    assert WarningCode.THROTTLED in codes(measure_on(MODEL, target, PINNED))


def test_a_worker_that_is_gone_leaves_no_conditions_of_its_restart(state: HostState) -> None:
    read = iter([state, replace(state, throttle_events=2), replace(state, clocks_hz={0: 1e9})])
    target = on(state, recording())
    usual = ReplayTarget.start

    def told() -> HostState:
        try:
            return next(read)
        except StopIteration:
            raise MeasurementError("the worker is gone; start it again") from None

    def start(self: ReplayTarget, model: Model, pin: Pin = ANYWHERE) -> object:
        run = usual(self, model, pin)
        run.host_state = told  # type: ignore[method-assign]
        return run

    target.start = start.__get__(target)  # type: ignore[method-assign]
    found = measure_on(MODEL, target, replace(PINNED, restarts=2))
    assert len(found.restarts) == 2
    # Of the second restart only the beginning is known, which is not what it ended with.
    assert found.provenance.clock_hz_after == state.clock_hz
    assert found.provenance.throttle_events == 2


def profiled(runs: int = 20) -> ProfiledRun:
    kernel = Kernel("", "Relu", {}, (TensorSpec("x", "float32", (1, 3)),), ())
    slow = KernelOccurrence("a", kernel, "CPU", np.full(runs, 5e-6), ("a",))
    fast = KernelOccurrence("b", kernel, "CPU", np.full(runs, 1e-6), ("b",))
    return ProfiledRun(Profile((slow, fast), np.full(runs, 1e-5)), 100, 200, 300)


def test_the_profilers_cost_is_taken_off_and_may_leave_a_negative(state: HostState) -> None:
    target = on(state, recording(), profiled=profiled())
    plan = replace(PINNED, per_op=True)
    measurement = measure_on(MODEL, target, plan, node_cost=lambda: (1.5e-6, "chains"))
    profile = measurement.profile
    assert profile is not None
    assert [profile.latency_s(o) for o in profile.occurrences] == pytest.approx([3.5e-6, -0.5e-6])
    assert profile.total_s() == pytest.approx(3e-6)
    assert profile.node_cost_source == "chains"
    assert measurement.memory.weights_bytes == 200
    assert measurement.memory.planned_activation_bytes == 300


def test_without_an_estimate_kernels_have_no_latency(state: HostState) -> None:
    def fails() -> tuple[float, str]:
        raise DeviceError("the chains do not run")

    target = on(state, recording(), profiled=profiled())
    measurement = measure_on(MODEL, target, replace(PINNED, per_op=True), node_cost=fails)
    assert measurement.profile is not None
    assert measurement.profile.total_s() is None
    assert measurement.profile.node_cost_reason == "the chains do not run"


def test_a_device_without_profile_still_measures(state: HostState) -> None:
    measurement = measure_on(MODEL, on(state, recording()), replace(PINNED, per_op=True))
    assert measurement.profile is None
    assert "no profile" in measurement.profile_reason


def test_absent_memory_and_energy_say_why(state: HostState) -> None:
    measurement = measure_on(MODEL, on(state, recording()), PINNED)
    assert measurement.memory.peak_bytes is None
    assert measurement.memory.absent["peak_rss_bytes"]
    assert measurement.energy.reading is None
    assert measurement.energy.reason == "a recording has no sensor"
    assert Memory(baseline_rss_bytes=5, peak_rss_bytes=9).peak_bytes == 4


def test_interleaved_comparison_finds_the_ratio(state: HostState) -> None:
    a = on(state, *(recording(3e-3 * f, seed=i) for i, f in enumerate((1.0, 1.01, 0.99))))
    b = on(state, *(recording(2e-3 * f, seed=9 + i) for i, f in enumerate((1.0, 1.01, 0.99))))
    comparison = compare_now((MODEL, a), (MODEL, b), replace(PINNED, restarts=1))
    assert comparison.ratio == pytest.approx(1.5, rel=0.01)
    assert comparison.different is True
    assert comparison.ci95 is not None
    assert comparison.ci95[0] < 1.5 < comparison.ci95[1]
    assert len(comparison.a.restarts) == 3


def test_a_small_difference_between_single_runs_is_not_oversold(state: HostState) -> None:
    a = measure_on(MODEL, on(state, recording(3.00e-3)), PINNED)
    b = measure_on(MODEL, on(state, recording(3.00e-3, seed=5)), PINNED)
    comparison = compare_stored(a, b)
    assert comparison.different is False
    assert any("--restarts 5" in note for note in comparison.notes)


def test_comparing_unlike_devices_says_in_what_they_differ(state: HostState) -> None:
    a = measure_on(MODEL, on(state, recording()), PINNED)
    b = measure_on(MODEL, on(state, recording(), spec=replay_spec(threads=2)), PINNED)
    assert any("threads" in note for note in compare_stored(a, b).notes)


class Broken(LocalRun):
    """A run of which everything but the latency fails."""

    def energy(self) -> Energy:
        raise MeasurementError("the sensor broke off")

    def overhead_s(self) -> float | None:
        raise MeasurementError("no clock")

    def profile(self, runs: int) -> ProfiledRun:
        raise MeasurementError("the worker ended with signal 9")


def test_nothing_that_follows_the_latency_takes_it_along(
    state: HostState, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = on(state, recording(), profiled=profiled())

    def start(model: Model, pin: Pin = ANYWHERE) -> Broken:
        session = ReplayDevice(recording()).open(model)
        return Broken(session, state=lambda: state, facts=lambda: REPLAY_FACTS, cpus=(0,))

    monkeypatch.setattr(target, "start", start)
    measurement = measure_on(MODEL, target, replace(PINNED, per_op=True))
    assert measurement.latency.headline_s == pytest.approx(3e-3, rel=0.01)
    assert measurement.profile is None
    assert measurement.profile_reason == "the worker ended with signal 9"
    assert measurement.energy.reason == "the sensor broke off"
    assert measurement.provenance.timing_overhead_s is None


def test_the_latency_is_kept_before_anything_else_is_measured(state: HostState) -> None:
    kept: list[Measurement] = []

    def node_cost() -> tuple[float, str]:
        assert kept
        return 1e-6, "chains"

    target = on(state, recording(), profiled=profiled())
    plan = replace(PINNED, per_op=True)
    whole = measure_on(MODEL, target, plan, node_cost=node_cost, keep=kept.append)
    (early,) = kept
    assert early.id == whole.id
    assert early.restarts == whole.restarts
    assert early.profile is None
    assert early.profile_reason == UNFINISHED
    assert whole.profile is not None
    assert whole.profile_reason == ""


def test_made_up_values_that_decide_the_work_are_warned_of(state: HostState) -> None:
    values = Values("x", "0..1", decides="how often Loop 'steps' repeats")
    subject = replace(MODEL.subject, values=(values,))
    measurement = measure_on(replace(MODEL, subject=subject), on(state, recording()), PINNED)
    (warning,) = measurement.warnings
    assert warning.code is WarningCode.VALUES_DECIDE
    assert "how often Loop 'steps' repeats" in warning.message
    given = replace(MODEL.subject, values=(replace(values, origin="given"),))
    quiet = measure_on(replace(MODEL, subject=given), on(state, recording()), PINNED)
    assert quiet.warnings == ()


def test_no_failure_of_the_profile_discards_the_latency(state: HostState) -> None:
    class Failing(ReplaySession):
        def profile(self, runs: int) -> ProfiledRun:
            raise MeasurementError("the profile does not fit; be content with the latency")

    class Device(ReplayDevice):
        def open(self, model: Model) -> Session:
            return Failing(self._recording, lambda s: None, 0.0, None, Memory())

    target = ReplayTarget([Device(recording())], state)
    measurement = measure_on(MODEL, target, replace(PINNED, per_op=True))
    assert measurement.profile is None
    assert "does not fit" in measurement.profile_reason
    assert measurement.latency.headline_s == pytest.approx(3e-3, rel=0.01)


def test_long_runs_are_profiled_a_few_times() -> None:
    assert [profile_runs(s) for s in (1e-6, 1 / 30, 0.1, 0.5, 2.0, 60.0)] == [60, 30, 12, 6, 1, 1]


def looping(runs: int = 20) -> Profile:
    kernel = Kernel("", "Loop", {}, (), ())
    loop = KernelOccurrence("loop", kernel, "CPU", np.full(runs, 100e-6), passes=10)
    return Profile((loop,), np.full(runs, 100e-6))


def test_passes_through_a_loop_cost_besides() -> None:
    costs = ProfilerCosts(lambda: (2e-6, "chains"), lambda: (1e-6, "loops"))
    profile = corrected(looping(), costs)
    assert profile.total_s() == pytest.approx(100e-6 - 2e-6 - 10e-6)
    assert profile.node_cost_source == "chains; loops"

    # Nobody asks for what no kernel needs.
    def unasked() -> tuple[float, str]:
        raise AssertionError

    plain = corrected(profiled().profile, ProfilerCosts(lambda: (2e-6, "chains"), unasked))
    assert plain.pass_cost_s is None
    assert plain.total_s() is not None


def test_an_unknown_cost_of_passes_leaves_no_sum() -> None:
    def fails() -> tuple[float, str]:
        raise DeviceError("loops do not run here; use --no-per-op")

    for costs, reason in (
        (lambda: (2e-6, "chains"), "was asked for"),
        (ProfilerCosts(lambda: (2e-6, "chains"), fails), "loops do not run here"),
    ):
        profile = corrected(looping(), costs)
        assert profile.total_s() is None
        assert reason in profile.node_cost_reason


def test_processors_that_a_restart_is_kept_on_are_not_beside_it(state: HostState) -> None:
    from hwprof.machine.host.stat import CpuTimes

    def at(busy: dict[int, int], own: int) -> HostState:
        times = {c: CpuTimes(t, 0, 1000 - t if t else 0) for c, t in busy.items()}
        return replace(state, cpu_times=times, affinity=(own,))

    idle = {0: 0, 1: 0}
    # The second restart is kept on another processor than the first.
    quiet = [at(idle, 0), at({0: 900, 1: 10}, 0), at(idle, 1), at({0: 10, 1: 900}, 1)]
    found = provenance(quiet, (1,), None, None, REPLAY_FACTS).busy_beside
    assert found is not None
    assert found < 0.05
    loaded = [at(idle, 0), at({0: 900, 1: 800}, 0)]
    assert (provenance(loaded, (0,), None, None, REPLAY_FACTS).busy_beside or 0) > 0.7
    assert provenance(loaded, (), None, None, REPLAY_FACTS).busy_beside is None


def test_what_cpulimit_stops_is_never_clean(state: HostState) -> None:
    # 93 ms of work in 184.9 ms, no switch and no waiting: once told as "wall, clean".
    n = 60
    paused = Samples(
        np.full(n, 0.1849),
        np.full(n, 0.0930),
        np.zeros(n, dtype=np.int64),
        1,
        np.full(n, 0.0930),
        np.zeros(n),
    )
    alone = measure_on(MODEL, on(state, paused), PINNED)
    assert alone.latency.basis is Basis.CPU_TIME
    assert alone.latency.headline_s == pytest.approx(0.0930)
    assert {WarningCode.CONTENDED, WarningCode.FEW_CLEAN_SAMPLES} <= codes(alone)
    # On several threads nothing can undo it, and the signals that continued it mark it.
    stopped = replace(paused, busy_s=np.full(n, 0.1860), switches=np.full(n, 2))
    two = measure_on(MODEL, on(state, stopped, spec=replay_spec(threads=2)), PINNED)
    assert two.latency.basis is Basis.WALL_ALL
    assert two.latency.disturbed
    assert WarningCode.CONTENDED in codes(two)


def test_a_budget_of_a_second_is_about_kept_by_a_slow_model(state: HostState) -> None:
    clock = FakeClock()
    slow = Samples(np.full(9, 0.75), np.full(9, 0.75), np.zeros(9, dtype=np.int64))
    device = ReplayDevice(slow, clock.advance, setup_s=0.2, profiled=profiled())
    plan = Plan(pin="none", budget_s=1.0)
    measurement = measure_on(MODEL, ReplayTarget([device], state), plan)
    assert measurement.profile is not None
    assert clock.now() < 15
