import math
from collections.abc import Callable
from pathlib import Path

import pytest

from hwprof.errors import DeviceError, MeasurementError
from hwprof.machine.host import SYSTEM, Roots
from hwprof.machine.meters import Absent, Availability, EnergyMeter, find_meter, measure_energy
from hwprof.machine.meters.ina import InaMeter, rails, total
from hwprof.machine.meters.power_supply import BatteryMeter
from hwprof.measurement import EnergyReading
from hwprof.testing import machines as fake_machines
from hwprof.testing.clock import FakeClock
from tests.machine.meters import trees

IDLE_W = 10.0
RUN_S = 0.004
RUN_J = 0.2


class Bench:
    """A machine that draws IDLE_W, and RUN_J more per run of RUN_S, with a sensor's coarse view."""

    def __init__(self, period_s: float = 0.1) -> None:
        self.clock = FakeClock()
        self.period_s = period_s
        self.extra_j = 0.0
        self.stretches: list[int] = []

    def run(self, runs: int) -> None:
        self.stretches.append(runs)
        self.clock.advance(runs * RUN_S)
        self.extra_j += runs * RUN_J

    def sensor_j(self) -> float:
        # The counter steps once per period, to the energy of that moment.
        return IDLE_W * math.floor(self.clock.now() / self.period_s) * self.period_s + self.extra_j


class BenchMeter(EnergyMeter):
    def __init__(self, bench: Bench, read: Callable[[], float] | None = None) -> None:
        self._bench = bench
        self._read = read or bench.sensor_j

    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        return Availability(True)

    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> EnergyMeter:
        raise NotImplementedError

    @property
    def name(self) -> str:
        return "bench"

    @property
    def domain(self) -> str:
        return "everything"

    @property
    def sample_period_s(self) -> float:
        return self._bench.period_s

    def read_j(self) -> float:
        return self._read()


class ShortSighted(BenchMeter):
    @property
    def longest_gap_s(self) -> float:
        return 2.0


def reading_of(bench: Bench, meter: EnergyMeter | None = None, **options: float) -> EnergyReading:
    energy = measure_energy(
        meter or BenchMeter(bench),
        bench.run,
        idle=bench.clock.sleep,
        clock=bench.clock.now,
        **options,  # type: ignore[arg-type]
    )
    assert energy.reading is not None, energy.reason
    return energy.reading


def reason_of(bench: Bench, meter: EnergyMeter | Absent) -> str:
    energy = measure_energy(meter, bench.run, idle=bench.clock.sleep, clock=bench.clock.now)
    assert energy.reading is None
    return energy.reason


def test_the_window_spans_many_periods_of_a_slow_sensor() -> None:
    bench = Bench(period_s=0.1)
    reading = reading_of(bench)
    assert bench.clock.slept == [10.0]
    assert reading.idle_window_s == 10.0
    assert reading.window_s >= 10.0
    assert reading.window_s < 10.0 + 2 * RUN_S
    assert reading.runs == sum(bench.stretches)
    assert reading.runs * RUN_S == pytest.approx(reading.window_s)
    assert reading.net_j_per_run == pytest.approx(RUN_J, rel=0.02)
    assert reading.gross_j_per_run == pytest.approx(RUN_J + IDLE_W * RUN_S, rel=0.02)
    assert (reading.sensor, reading.domain) == ("bench", "everything")
    assert reading.sample_period_s == 0.1


def test_a_fast_sensor_still_gets_the_shortest_window() -> None:
    bench = Bench(period_s=0.001)
    assert reading_of(bench).window_s >= 1.0
    assert bench.clock.slept == [1.0]


def test_the_window_can_be_chosen() -> None:
    reading = reading_of(Bench(period_s=0.1), min_periods=20, min_window_s=0.5)
    assert reading.idle_window_s == 2.0


def test_stretches_grow_by_little() -> None:
    bench = Bench()
    reading_of(bench)
    done = 0
    for stretch in bench.stretches:
        assert stretch <= max(1, 8 * done)
        done += stretch


def test_a_single_long_run_fills_the_window() -> None:
    bench = Bench()

    def run(runs: int) -> None:
        bench.stretches.append(runs)
        bench.clock.advance(30.0 * runs)
        bench.extra_j += 300.0

    energy = measure_energy(BenchMeter(bench), run, idle=bench.clock.sleep, clock=bench.clock.now)
    assert bench.stretches == [1]
    assert energy.reading is not None
    assert energy.reading.runs == 1


def test_no_meter_is_its_reason() -> None:
    bench = Bench()
    assert reason_of(bench, Absent("no energy sensor: none fitted")) == (
        "no energy sensor: none fitted"
    )
    assert bench.stretches == []
    assert bench.clock.slept == []


def test_a_counter_that_stands_still_is_absent_not_zero() -> None:
    bench = Bench()
    reason = reason_of(bench, BenchMeter(bench, lambda: 5.0))
    assert reason == "the counter of the energy sensor bench did not move in 10 s while idle"
    assert bench.stretches == [], "nothing is run for a sensor that is dead"


def test_a_counter_that_stops_under_load() -> None:
    bench = Bench()

    def read() -> float:
        return min(bench.clock.now(), 10.0)

    assert "did not move" in (reason := reason_of(bench, BenchMeter(bench, read)))
    assert "under load" in reason


def test_a_counter_that_goes_backwards() -> None:
    bench = Bench()
    reason = reason_of(bench, BenchMeter(bench, lambda: -bench.clock.now()))
    assert "went backwards by 10.0 J while idle" in reason


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_sensor_that_gives_no_number(value: float) -> None:
    bench = Bench()
    assert "which is no energy" in reason_of(bench, BenchMeter(bench, lambda: value))


def test_a_sensor_that_fails_midway() -> None:
    bench = Bench()

    def read() -> float:
        if bench.stretches:
            raise DeviceError("energy_uj cannot be read")
        return bench.sensor_j()

    reason = reason_of(bench, BenchMeter(bench, read))
    assert reason == "the energy sensor bench failed: energy_uj cannot be read"


def test_a_run_that_outlasts_the_counter() -> None:
    bench = Bench(period_s=0.001)

    def run(runs: int) -> None:
        bench.clock.advance(3.0 * runs)
        bench.extra_j += runs

    energy = measure_energy(ShortSighted(bench), run, idle=bench.clock.sleep, clock=bench.clock.now)
    assert energy.reading is None
    assert "can bridge 2 s and a stretch under load took 3 s" in energy.reason


def test_a_clock_that_stands_still_ends() -> None:
    bench = Bench(period_s=0.001)
    counted: list[int] = []
    energy = measure_energy(
        BenchMeter(bench), counted.append, idle=bench.clock.sleep, clock=bench.clock.now
    )
    assert energy.reading is None
    assert "too little to measure" in energy.reason
    assert len(counted) < 50


@pytest.mark.parametrize("error", [MeasurementError, DeviceError])
def test_an_error_of_the_run_is_not_taken_for_the_sensors(error: type[Exception]) -> None:
    bench = Bench()

    def run(runs: int) -> None:
        raise error("the model crashed")

    with pytest.raises(error, match="the model crashed"):
        measure_energy(BenchMeter(bench), run, idle=bench.clock.sleep, clock=bench.clock.now)


@pytest.mark.parametrize(("periods", "seconds"), [(0, 1.0), (10, -1.0)])
def test_a_window_without_length(periods: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="the window needs a length"):
        measure_energy(
            BenchMeter(Bench()), lambda runs: None, min_periods=periods, min_window_s=seconds
        )


def test_rapl_through_a_wrap(tmp_path: Path) -> None:
    """The real reader on real files, with a wrap within the loaded window."""
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    meter = find_meter(roots=roots, plugins=[])
    clock = FakeClock()
    span = 262_143_328_850

    def draw(joules: float) -> None:
        for zone in ("intel-rapl:0", "intel-rapl:1"):
            path = roots.sys / f"class/powercap/{zone}/energy_uj"
            path.write_text(str((int(path.read_text()) + round(joules * 1e6)) % span))

    def idle(seconds: float) -> None:
        clock.sleep(seconds)
        draw(5.0 * seconds)

    def run(runs: int) -> None:
        clock.advance(0.01 * runs)
        draw(0.25 * runs)

    (roots.sys / "class/powercap/intel-rapl:0/energy_uj").write_text(f"{span - 10_000_000}\n")
    energy = measure_energy(meter, run, idle=idle, clock=clock.now)
    assert energy.reading is not None, energy.reason
    assert energy.reading.gross_j_per_run == pytest.approx(0.5)
    assert energy.reading.idle_j == pytest.approx(10.0)
    assert energy.reading.net_j_per_run == pytest.approx(0.5 - 10.0 * 0.01)
    assert energy.reading.domain == "package-0 + package-1"


class Late(BenchMeter):
    """A sensor that turns out ten times slower than it says, once watched for a second."""

    @property
    def sample_period_s(self) -> float:
        return 1.0 if self._bench.clock.now() > 1.0 else 0.1


def test_a_sensor_that_turns_out_slower_makes_both_windows_longer() -> None:
    bench = Bench(period_s=0.1)
    reading = reading_of(bench, Late(bench))
    assert bench.clock.slept == [10.0, 90.0]
    assert reading.idle_window_s == 100.0
    assert reading.window_s >= 100.0
    assert reading.sample_period_s == 1.0


def test_an_idle_window_that_never_fills_ends() -> None:
    bench = Bench()
    waits: list[float] = []
    energy = measure_energy(BenchMeter(bench), bench.run, idle=waits.append, clock=bench.clock.now)
    assert energy.reading is None
    assert len(waits) < 1000


def test_sampled_power_of_a_board(tmp_path: Path) -> None:
    """The real reader of a Jetson's files, polled while idle and while running."""
    roots = fake_machines.build(tmp_path, trees.orin_nano())
    clock = FakeClock()
    meter = InaMeter(roots, total(rails(roots)), clock=clock.now)
    current = roots.sys / "class/hwmon/hwmon4/curr1_input"

    def draw(watts: float, seconds: float) -> None:
        """Watts on average: a rail at 5 V that swings by 40 mA with every sample."""
        steps = round(seconds / 0.02)
        for step in range(steps):
            current.write_text(f"{round(watts * 200) + (20 if step % 2 else -20)}\n")
            clock.advance(seconds / steps)
            meter.sampler.sample()

    energy = measure_energy(
        meter,
        lambda runs: draw(9.0, 0.08 * runs),
        idle=lambda seconds: draw(6.0, seconds),
        clock=clock.now,
    )
    assert energy.reading is not None, energy.reason
    assert energy.reading.window_s >= 2.0, "a hundred samples"
    assert energy.reading.idle_j / energy.reading.idle_window_s == pytest.approx(6.0, rel=0.01)
    assert energy.reading.gross_j_per_run == pytest.approx(9.0 * 0.08, rel=0.02)
    assert energy.reading.net_j_per_run == pytest.approx(3.0 * 0.08, rel=0.05)
    assert energy.reading.sample_period_s == pytest.approx(0.02)
    assert energy.reading.domain == "VDD_IN"


def test_a_charger_plugged_in_midway_is_no_reading(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, trees.laptop())
    clock = FakeClock()
    meter = BatteryMeter(roots, clock=clock.now)
    power = roots.sys / "class/power_supply/BAT0/power_now"

    def draw(seconds: float) -> None:
        for step in range(round(seconds)):
            power.write_text(f"{12_000_000 + step}\n")
            clock.advance(1.0)
            meter.sampler.sample()

    def run(runs: int) -> None:
        draw(runs)
        (roots.sys / "class/power_supply/AC/online").write_text("1\n")

    energy = measure_energy(meter, run, idle=draw, clock=clock.now)
    assert energy.reading is None
    assert energy.reason == (
        "the energy sensor battery failed: AC (Mains) feeds the machine beside its battery; "
        "unplug it and measure again"
    )
