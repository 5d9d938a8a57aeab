import math
import threading
from collections.abc import Callable

import pytest

from hwprof.errors import DeviceError
from hwprof.machine.meters.sampled import MAX_UNCHANGED, Drain, PowerIntegral, Sampler
from hwprof.testing.clock import FakeClock

PERIOD_S = 0.1


class Bench:
    """A sensor of power that is a function of time, polled by hand."""

    def __init__(self, power: Callable[[float], float], period_s: float = PERIOD_S) -> None:
        self.clock = FakeClock()
        self.sampler = Sampler(lambda: power(self.clock.now()), period_s, clock=self.clock.now)

    def pass_time(self, seconds: float, step_s: float = PERIOD_S) -> None:
        for _ in range(round(seconds / step_s)):
            self.clock.advance(step_s)
            self.sampler.sample()


def test_a_ramp_is_integrated_exactly() -> None:
    bench = Bench(lambda t: 2.0 * t)
    bench.pass_time(3.0)
    assert bench.sampler.read_j() == pytest.approx(9.0, rel=1e-12)


def test_timestamps_count_not_the_period_asked_for() -> None:
    bench = Bench(lambda t: 5.0 + t)
    for step_s in (0.1, 0.35, 0.02, 0.9):
        bench.clock.advance(step_s)
        bench.sampler.sample()
    at_s = bench.clock.now()
    assert bench.sampler.read_j() == pytest.approx(5.0 * at_s + at_s**2 / 2)


def test_a_read_reaches_up_to_now() -> None:
    bench = Bench(lambda t: 4.0 + t * 1e-9)
    bench.pass_time(1.0)
    bench.clock.advance(0.05)
    assert bench.sampler.read_j() == pytest.approx(4.2)


def test_it_never_falls() -> None:
    bench = Bench(lambda t: 1.0 + math.sin(t))
    seen = []
    for _ in range(50):
        bench.pass_time(PERIOD_S)
        seen.append(bench.sampler.read_j())
    assert seen == sorted(seen)
    assert seen[0] > 0


def test_a_gap_is_a_fault_that_stays() -> None:
    bench = Bench(lambda t: 3.0 + t)
    bench.pass_time(1.0)
    bench.clock.advance(1.05)
    with pytest.raises(DeviceError, match=r"went unsampled for 1\.05 s, and 1 s is the most"):
        bench.sampler.read_j()
    bench.pass_time(1.0)
    with pytest.raises(DeviceError, match="unsampled"):
        bench.sampler.read_j()


def test_a_fast_sensor_bridges_what_a_busy_system_takes() -> None:
    bench = Bench(lambda t: 3.0 + t, period_s=0.01)
    bench.clock.advance(0.49)
    assert bench.sampler.read_j() > 0
    bench.clock.advance(0.51)
    with pytest.raises(DeviceError, match=r"0\.5 s is the most"):
        bench.sampler.read_j()


def test_the_longest_gap_that_is_bridged() -> None:
    bench = Bench(lambda t: 3.0 + t)
    bench.clock.advance(0.99)
    assert bench.sampler.read_j() == pytest.approx(3.0 * 0.99 + 0.99**2 / 2)


@pytest.mark.parametrize("watts", [-0.1, math.nan, math.inf])
def test_what_is_no_power_is_a_fault(watts: float) -> None:
    bench = Bench(lambda t: 3.0 if t == 0 else watts)
    bench.pass_time(PERIOD_S)
    with pytest.raises(DeviceError, match="the power sensor gave"):
        bench.sampler.read_j()


def test_a_reading_that_never_moves_is_a_fault() -> None:
    bench = Bench(lambda t: 3.0)
    bench.pass_time((MAX_UNCHANGED - 1) * PERIOD_S)
    assert bench.sampler.read_j() > 0
    bench.pass_time(PERIOD_S)
    with pytest.raises(DeviceError, match="stayed the same for 150 samples"):
        bench.sampler.read_j()


def test_a_failing_read_is_kept_until_asked() -> None:
    def power(t: float) -> float:
        if t > 0.5:
            raise DeviceError("curr1_input cannot be read (No such device); check it")
        return 1.0 + t

    bench = Bench(power)
    bench.pass_time(1.0)
    with pytest.raises(DeviceError, match="curr1_input cannot be read"):
        bench.sampler.read_j()


def test_any_other_error_is_a_fault_too() -> None:
    bench = Bench(lambda t: 1.0 if t == 0 else 1 / 0)
    bench.pass_time(PERIOD_S)
    with pytest.raises(DeviceError, match="the sensor failed: ZeroDivisionError"):
        bench.sampler.read_j()


def test_the_period_is_the_one_asked_for() -> None:
    bench = Bench(lambda t: 1.0 + t)
    assert bench.sampler.period_s == PERIOD_S
    bench.pass_time(2.0)
    assert bench.sampler.period_s == pytest.approx(PERIOD_S)


def test_a_late_thread_shows_in_the_period() -> None:
    bench = Bench(lambda t: 1.0 + t)
    bench.pass_time(3.0, step_s=0.3)
    assert bench.sampler.period_s == pytest.approx(0.3)


def test_a_slow_sensor_shows_in_the_period() -> None:
    bench = Bench(lambda t: 1.0 + math.floor((t + 1e-9) / 2.0))
    bench.pass_time(3.0)
    assert bench.sampler.period_s == pytest.approx(PERIOD_S)
    bench.pass_time(5.0)
    assert bench.sampler.period_s == pytest.approx(2.0)


def test_reads_between_samples_do_not_shorten_the_period() -> None:
    bench = Bench(lambda t: 1.0 + t)
    for _ in range(10):
        bench.clock.advance(0.15)
        bench.sampler.read_j()
        bench.clock.advance(0.15)
        bench.sampler.sample()
    assert bench.sampler.period_s == pytest.approx(0.3)


def test_a_drain_is_how_far_the_counter_fell() -> None:
    drain = Drain()
    for left_j in (500.0, 464.0, 464.0, 428.0):
        drain.add(0.0, left_j)
    assert drain.joules == 72.0
    with pytest.raises(DeviceError, match="the charge rose by 36 J; unplug the charger"):
        drain.add(0.0, 464.0)


def test_an_integral_of_one_reading_is_nothing() -> None:
    integral = PowerIntegral()
    integral.add(5.0, 100.0)
    assert integral.joules == 0.0


def test_the_thread_samples_and_ends() -> None:
    enough = threading.Event()
    readings: list[float] = []

    def read() -> float:
        readings.append(1.0 + len(readings))
        if len(readings) >= 5:
            enough.set()
        return readings[-1]

    # A loaded machine may let the thread wait for long, which is not what is tested here.
    sampler = Sampler(read, 0.001, PowerIntegral()).start()
    assert enough.wait(30)
    sampler.close()
    count = len(readings)
    assert threading.current_thread().name != "hwprof-power"
    assert "hwprof-power" not in [thread.name for thread in threading.enumerate()]
    sampler.close()
    assert len(readings) == count
