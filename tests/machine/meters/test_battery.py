from pathlib import Path

import pytest

from hwprof.errors import DeviceError
from hwprof.machine.host import Roots
from hwprof.machine.meters.power_supply import BatteryMeter
from hwprof.testing import machines as fake_machines
from hwprof.testing.clock import FakeClock
from tests.machine.meters.trees import battery, charger, laptop, phone


def metered(roots: Roots) -> tuple[BatteryMeter, FakeClock]:
    """A meter driven by hand: no thread, no waiting."""
    clock = FakeClock()
    return BatteryMeter(roots, clock=clock.now), clock


@pytest.mark.parametrize(
    ("tree", "watts", "domain"),
    [
        (laptop(), 12.0, "battery BAT0 (power_now)"),
        (phone(), 1.599, "battery battery (current_now x voltage_now)"),
        (
            battery(current_now=1_000_000, voltage_now=12_000_000),
            12.0,
            "battery BAT0 (current_now x voltage_now)",
        ),
        (
            battery(current_now=410, voltage_now=3_900_000),
            1.599,
            "battery BAT0 (current_now taken as mA x voltage_now)",
        ),
        (
            battery(current_now=-410, voltage_now=3_900),
            1.599,
            "battery BAT0 (current_now taken as mA x voltage_now taken as mV)",
        ),
        (
            battery(power_now=-12_000_000, voltage_now=11_800_000),
            12.0,
            "battery BAT0 (power_now)",
        ),
        (
            battery(power_now=12_000, voltage_now=11_800_000),
            12.0,
            "battery BAT0 (power_now taken as mW)",
        ),
        (
            battery(power_now=9_000_000, voltage_now=11_800_000)
            | battery("BAT1", power_now=3_500_000, voltage_now=11_900_000),
            12.5,
            "battery BAT0 (power_now) + battery BAT1 (power_now)",
        ),
        (
            battery(power_now=12_000_000, voltage_now=11_800_000)
            | battery("BAT1", "Not charging", power_now=0, voltage_now=12_400_000),
            12.0,
            "battery BAT0 (power_now)",
        ),
    ],
)
def test_power(tmp_path: Path, tree: dict[str, str], watts: float, domain: str) -> None:
    roots = fake_machines.build(tmp_path, tree)
    assert BatteryMeter.available(roots).ok
    meter, clock = metered(roots)
    clock.advance(5.0)
    assert meter.read_j() == pytest.approx(5.0 * watts)
    assert meter.domain == domain


@pytest.mark.parametrize(
    ("tree", "file", "steps", "joules"),
    [
        (
            battery(energy_now=40_000_000, energy_full=50_000_000),
            "energy_now",
            (39_990_000, 39_970_000),
            108.0,
        ),
        (battery(energy_now=4_000, energy_full=50_000), "energy_now", (3_990, 3_970), 108.0),
        (
            battery(charge_counter=3_000_000, charge_full=4_000_000, voltage_now=4_000_000),
            "charge_counter",
            (2_999_000, 2_990_000),
            144.0,
        ),
        # Nearly empty: what it holds when full tells the unit.
        (
            battery(charge_now=90_000, charge_full_design=4_000_000, voltage_now=3_000_000),
            "charge_now",
            (89_000, 80_000),
            108.0,
        ),
    ],
)
def test_what_is_left(
    tmp_path: Path, tree: dict[str, str], file: str, steps: tuple[int, ...], joules: float
) -> None:
    roots = fake_machines.build(tmp_path, tree)
    meter, clock = metered(roots)
    for value in steps:
        clock.advance(1.0)
        (roots.sys / "class/power_supply/BAT0" / file).write_text(f"{value}\n")
        meter.sampler.sample()
    assert meter.read_j() == pytest.approx(joules)


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        (laptop() | charger(1), "AC (Mains) feeds the machine beside its battery; unplug it"),
        (
            phone() | charger(1, "USB", "usb"),
            "usb (USB) feeds the machine beside its battery; unplug it",
        ),
        (
            battery(status="Charging", power_now=12_000_000),
            "battery BAT0 is charging; unplug it",
        ),
        (
            battery(status="Full", power_now=12_000_000),
            "no battery is discharging (BAT0: Full); unplug the charger",
        ),
        (
            battery(status="Unknown", power_now=1) | battery("BAT1", "Not charging"),
            "no battery is discharging (BAT0: Unknown, BAT1: Not charging); unplug the charger",
        ),
    ],
)
def test_on_mains_there_is_no_reading(tmp_path: Path, tree: dict[str, str], reason: str) -> None:
    roots = fake_machines.build(tmp_path, tree)
    answer = BatteryMeter.available(roots)
    assert not answer.ok
    assert answer.present
    assert answer.reason == reason
    with pytest.raises(DeviceError, match="unplug"):
        BatteryMeter.create(roots)


@pytest.mark.parametrize(
    "files",
    [
        # As uA, 0.1 W; as mA, 100 W from a single cell: neither is a phone at work.
        {"current_now": 26_000, "voltage_now": 3_900_000},
        {"current_now": 0, "voltage_now": 3_900_000},
        {"current_now": 20, "voltage_now": 3_900_000},
        {"current_now": 30_000_000, "voltage_now": 3_900_000},
        {"current_now": 410_000, "voltage_now": 39},
        {"power_now": 300_000, "voltage_now": 12_000_000},
        {"power_now": 0, "voltage_now": 12_000_000},
        {"energy_now": 40},
        {"charge_now": 3_000_000, "voltage_now": 39},
        {"charge_counter": 30, "voltage_now": 3_900_000},
    ],
)
def test_what_cannot_be_decided_is_refused(tmp_path: Path, files: dict[str, int]) -> None:
    answer = BatteryMeter.available(fake_machines.build(tmp_path, battery(**files)))
    assert not answer.ok
    assert "which is no" in answer.reason
    assert "\n" not in answer.reason


def test_no_battery(tmp_path: Path) -> None:
    answer = BatteryMeter.available(fake_machines.build(tmp_path, charger(1)))
    assert not answer.ok
    assert not answer.present
    assert answer.reason == "this machine has no battery"


def test_an_empty_slot_is_no_battery(tmp_path: Path) -> None:
    tree = battery(present=0, power_now=12_000_000)
    assert not BatteryMeter.available(fake_machines.build(tmp_path, tree)).present


def test_a_battery_that_tells_nothing(tmp_path: Path) -> None:
    answer = BatteryMeter.available(fake_machines.build(tmp_path, battery(capacity=80)))
    assert not answer.ok
    assert "BAT0 shows neither power, current nor charge" in answer.reason


def test_a_current_without_a_voltage(tmp_path: Path) -> None:
    answer = BatteryMeter.available(fake_machines.build(tmp_path, battery(current_now=410_000)))
    assert not answer.ok
    assert "voltage_now cannot be read" in answer.reason


def test_charge_serves_where_the_current_reads_nothing(tmp_path: Path) -> None:
    tree = battery(
        current_now=0, charge_counter=3_000_000, charge_full=4_000_000, voltage_now=3_900_000
    )
    meter, _ = metered(fake_machines.build(tmp_path, tree))
    assert meter.domain == "battery BAT0 (charge_counter x voltage_now)"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (battery(status="Charging"), "battery BAT0 is charging; unplug it and measure again"),
        (charger(1), r"AC \(Mains\) feeds the machine"),
        (battery(power_now=-12_000_000), r"changed direction \(now -12000000\)"),
        (battery(power_now=400_000_000), "jumped to 400 W"),
        (
            battery("BAT1", power_now=5_000_000, voltage_now=12_000_000),
            "went over from battery BAT0 to BAT0, BAT1",
        ),
    ],
)
def test_a_change_midway_ends_the_reading(
    tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    roots = fake_machines.build(tmp_path, laptop())
    meter, clock = metered(roots)
    fake_machines.build(tmp_path, change)
    clock.advance(1.0)
    meter.sampler.sample()
    with pytest.raises(DeviceError, match=reason):
        meter.read_j()


def test_it_is_never_chosen_unasked() -> None:
    assert not BatteryMeter.automatic
    assert BatteryMeter.covers == "board"
