from __future__ import annotations

import threading

import pynvml
import pytest

from hwprof.errors import DeviceError
from hwprof.machine.gpu import nvml
from hwprof.machine.gpu.nvml import Nvml
from hwprof.machine.meters import measure_energy
from hwprof.machine.meters.nvml import LOOK_S, NvmlMeter, update_period_s
from tests.machine.gpu.fake_nvml import Board, FakeNvml


class Clock:
    """Moves only when waited on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_the_period_is_looked_at() -> None:
    clock = Clock()
    # A counter that steps every 20 ms.
    period = update_period_s(lambda: float(int(clock.now / 0.02 + 1e-9)), clock, clock.wait)
    assert period == pytest.approx(0.02, abs=0.0021)


def test_a_counter_that_stands_still_has_the_longest_period() -> None:
    clock = Clock()
    assert update_period_s(lambda: 1.0, clock, clock.wait) == LOOK_S
    assert clock.now == pytest.approx(LOOK_S, abs=0.01)


def test_joules_are_those_since_the_meter_was_made() -> None:
    board = Board(energy_step_mj=1)
    meter = NvmlMeter(Nvml(FakeNvml(board)).by_index(0))
    assert meter.domain == "board of NVIDIA H200, energy counter"
    board.energy_step_mj = 0
    began = meter.read_j()
    board.energy_mj += 2_500
    assert meter.read_j() - began == pytest.approx(2.5)
    board.energy_mj = 0
    with pytest.raises(DeviceError, match="went backwards"):
        meter.read_j()


def test_power_is_added_up_where_energy_is_not_counted() -> None:
    board = Board(unsupported={"energy"})
    meter = NvmlMeter(Nvml(FakeNvml(board)).by_index(0), start=False)
    assert meter.domain == "board of NVIDIA H200, power sampled and added up"
    assert meter.read_j() >= 0
    meter.close()


def test_power_is_sampled_in_the_background() -> None:
    sampled = threading.Event()

    class Noticed(FakeNvml):
        reads = 0

        def nvmlDeviceGetPowerUsage(self, board: Board) -> int:
            self.reads += 1
            if self.reads > 2:  # the meter's own first reading, and the thread's
                sampled.set()
            return 100_000 + self.reads

    with NvmlMeter(Nvml(Noticed(Board(unsupported={"energy"}))).by_index(0)) as meter:
        assert sampled.wait(30)
        assert meter.read_j() > 0
        assert meter.sample_period_s >= 0.1


def test_no_energy_and_no_power_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeNvml(Board(unsupported={"energy", "power"}))
    monkeypatch.setattr("hwprof.machine.meters.nvml.open_nvml", lambda: Nvml(api))
    answer = NvmlMeter.available()
    assert not answer.ok
    assert "does not tell its power (Not Supported)" in answer.reason
    with pytest.raises(DeviceError, match="does not tell its power"):
        NvmlMeter.create()


def test_no_driver_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeNvml(broken=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    nvml.open_nvml.cache_clear()
    monkeypatch.setattr("hwprof.machine.gpu.nvml.import_binding", lambda: api)
    answer = NvmlMeter.available()
    assert (answer.ok, answer.present) == (False, False)
    assert "NVML Shared Library Not Found" in answer.reason
    nvml.open_nvml.cache_clear()


def test_a_window_of_the_counter() -> None:
    board = Board(energy_step_mj=1)
    meter = NvmlMeter(Nvml(FakeNvml(board)).by_index(0))
    clock = Clock()

    def run(runs: int) -> None:
        clock.wait(runs * 0.01)
        board.energy_mj += runs * 3_000

    energy = measure_energy(meter, run, idle=clock.wait, clock=clock, min_window_s=1.0)
    assert energy.reading is not None
    per_run = energy.reading.gross_j / energy.reading.runs
    assert per_run == pytest.approx(3.0, rel=0.01)
