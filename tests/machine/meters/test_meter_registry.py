import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from hwprof.errors import DeviceError, OptionError
from hwprof.machine.host import SYSTEM, Roots
from hwprof.machine.meters import (
    Absent,
    Availability,
    Coverage,
    EnergyMeter,
    find_meter,
    list_meters,
    require_meter,
)
from hwprof.machine.meters.registry import REGISTRY
from hwprof.testing import machines as fake_machines
from tests.machine.meters import trees

# Meters of GPUs ask a driver and not a file tree, so here they are left to their own tests.
NOT_OF_GPUS = [name for name, point in REGISTRY.entries(()).items() if point.load().covers != "gpu"]


class Wattmeter(EnergyMeter):
    """A plugin's meter that always works."""

    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        return Availability(True)

    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> EnergyMeter:
        return cls()

    @property
    def name(self) -> str:
        return "wattmeter"

    @property
    def domain(self) -> str:
        return "wall socket"

    @property
    def sample_period_s(self) -> float:
        return 1.0

    def read_j(self) -> float:
        return 0.0


class GpuMeter(Wattmeter):
    covers = "gpu"

    @property
    def name(self) -> str:
        return "card"


class Unplugged(Wattmeter):
    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> EnergyMeter:
        raise DeviceError("the wattmeter is unplugged")


class CrashesWhenAsked(Wattmeter):
    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        raise RuntimeError("bus error")


class CrashesWhenMade(Wattmeter):
    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> EnergyMeter:
        raise RuntimeError("bus error")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let entry points find the classes above."""
    module = ModuleType("plugged_meters")
    for kind in (Wattmeter, GpuMeter, Unplugged, CrashesWhenAsked, CrashesWhenMade):
        setattr(module, kind.__name__, kind)
    vars(module)["number"] = 3
    monkeypatch.setitem(sys.modules, "plugged_meters", module)


def plugin(attribute: str, name: str = "watt") -> EntryPoint:
    return EntryPoint(name, f"plugged_meters:{attribute}", REGISTRY.group)


@pytest.fixture
def bare(tmp_path: Path) -> Roots:
    return fake_machines.build(tmp_path, fake_machines.virtual_machine())


def test_rapl_is_found_without_entry_points(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    meter = find_meter(roots=roots, plugins=[])
    assert isinstance(meter, EnergyMeter)
    assert meter.name == "rapl"
    working = [meter.name for meter in list_meters(roots, plugins=[]) if meter.available]
    assert [name for name in working if name in NOT_OF_GPUS] == ["rapl"]


def test_no_sensor_is_one_sentence(bare: Roots) -> None:
    answer = find_meter(roots=bare, plugins=[])
    assert isinstance(answer, Absent)
    assert answer.reason == (
        f"no energy sensor for the processor on this machine (looked for {', '.join(NOT_OF_GPUS)})"
    )
    assert answer.fix == ""


def test_every_meter_keeps_its_own_reason(bare: Roots) -> None:
    listed = [meter for meter in list_meters(bare, plugins=[]) if meter.covers != "gpu"]
    assert [meter.name for meter in listed] == NOT_OF_GPUS
    assert not any(meter.available or meter.present for meter in listed)
    assert all(meter.reason and "\n" not in meter.reason for meter in listed)
    assert listed[0].reason == (
        f"{bare.sys}/class/powercap has no RAPL zone (virtual machines rarely expose one)"
    )


def test_a_sensor_that_may_not_be_read_outweighs_those_that_are_not_there(tmp_path: Path) -> None:
    built = fake_machines.build(tmp_path, fake_machines.intel_desktop())

    def read(path: Path) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return path.read_text()

    answer = find_meter(roots=Roots(built.proc, built.sys, read), plugins=[])
    assert isinstance(answer, Absent)
    assert answer.reason == (
        f"{tmp_path}/sys/class/powercap/intel-rapl:0/energy_uj may not be read by this user; "
        f"grant it until reboot with: {answer.fix}"
    )
    assert answer.fix == "sudo chmod a+r /sys/class/powercap/*/energy_uj"


def test_a_gpu_is_not_measured_by_the_processors_meter(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    answer = find_meter(roots=roots, covering="gpu", plugins=[])
    if isinstance(answer, EnergyMeter):
        assert answer.covers == "gpu"
        answer.close()
    else:
        assert answer.reason
        assert "rapl" not in answer.reason


@pytest.mark.usefixtures("here")
def test_a_processor_is_not_measured_by_a_gpus_meter(bare: Roots) -> None:
    points = [plugin("GpuMeter", "card")]
    assert isinstance(find_meter(roots=bare, plugins=points), Absent)
    chosen = find_meter(roots=bare, covering="gpu", plugins=points)
    assert isinstance(chosen, EnergyMeter)
    assert chosen.covers == "gpu"
    assert isinstance(find_meter("card", bare, plugins=points), GpuMeter), "asked for by name"


@pytest.mark.usefixtures("here")
def test_exact_before_the_whole_board(tmp_path: Path) -> None:
    tree = fake_machines.intel_desktop() | trees.corsair()
    roots = fake_machines.build(tmp_path, tree)
    points = [plugin("GpuMeter", "card")]
    chosen = {}
    for covering in get_args(Coverage):
        meter = find_meter(roots=roots, covering=covering, plugins=points)
        assert isinstance(meter, EnergyMeter)
        with meter:
            chosen[covering] = meter.name, meter.covers
    assert chosen["cpu"] == ("rapl", "cpu")
    assert chosen["gpu"][1] == "gpu"
    assert chosen["board"] == ("psu", "board")


def test_a_board_serves_both_of_its_processors(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, trees.orin_nano())
    for covering in get_args(Coverage):
        meter = find_meter(roots=roots, covering=covering, plugins=[])
        assert isinstance(meter, EnergyMeter)
        with meter:
            assert meter.domain == "VDD_IN" or meter.covers == covering == "gpu"


def test_a_battery_has_to_be_asked_for(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, trees.phone())
    answer = find_meter(roots=roots, plugins=[])
    assert isinstance(answer, Absent)
    assert answer.reason.startswith("no energy sensor for the processor on this machine")
    assert answer.reason.endswith("; --meter battery can measure, in minutes per model")
    assert answer.fix == "--meter battery"
    meter = find_meter("battery", roots, plugins=[])
    assert isinstance(meter, EnergyMeter)
    meter.close()


def test_a_meter_that_is_named_says_its_own_reason(bare: Roots) -> None:
    answer = find_meter("ina", bare, plugins=[])
    assert isinstance(answer, Absent)
    assert "no INA power monitor" in answer.reason


@pytest.mark.usefixtures("here")
def test_a_plugin_serves_where_no_built_in_does(bare: Roots) -> None:
    meter = find_meter(roots=bare, plugins=[plugin("Wattmeter")])
    assert isinstance(meter, Wattmeter)


@pytest.mark.usefixtures("here")
def test_built_in_meters_go_first_and_keep_their_names(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    plugins = [plugin("Wattmeter"), plugin("Wattmeter", "rapl")]
    meter = find_meter(roots=roots, plugins=plugins)
    assert isinstance(meter, EnergyMeter)
    assert meter.name == "rapl"
    named = find_meter("watt", roots, plugins=plugins)
    assert isinstance(named, Wattmeter)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("attribute", "reason"),
    [
        ("Missing", "energy meter 'watt' (plugged_meters:Missing) does not import: AttributeError"),
        ("number", "energy meter 'watt' (plugged_meters:number) is not an hwprof EnergyMeter"),
        ("CrashesWhenAsked", "energy meter 'watt' failed: RuntimeError: bus error"),
        ("CrashesWhenMade", "energy meter 'watt' failed: RuntimeError: bus error"),
        ("Unplugged", "the wattmeter is unplugged"),
    ],
)
def test_a_broken_plugin_is_a_reason(bare: Roots, attribute: str, reason: str) -> None:
    answer = find_meter("watt", bare, plugins=[plugin(attribute)])
    assert isinstance(answer, Absent)
    assert reason in answer.reason


def test_a_plugin_of_a_missing_package_is_listed(bare: Roots) -> None:
    gone = EntryPoint("gone", "no_such_package_here:Meter", REGISTRY.group)
    *_, listed = list_meters(bare, plugins=[gone])
    assert listed.name == "gone"
    assert not listed.available
    assert "ModuleNotFoundError" in listed.reason
    answer = find_meter(roots=bare, plugins=[gone])
    assert isinstance(answer, Absent)
    assert answer.reason.startswith(
        "the energy meter 'gone' (no_such_package_here:Meter) does not import: ModuleNotFoundError"
    )


def test_an_unknown_name(bare: Roots) -> None:
    with pytest.raises(OptionError, match="unknown energy meter 'foo'; choose one of: rapl"):
        find_meter("foo", bare, plugins=[])
    with pytest.raises(OptionError, match="unknown energy meter 'foo'; choose one of: rapl, amd"):
        require_meter("foo")
    assert require_meter("battery") == "battery"


def test_this_very_machine() -> None:
    answer = find_meter()
    if isinstance(answer, Absent):
        assert answer.reason
    else:
        assert answer.read_j() >= 0
    assert "rapl" in [meter.name for meter in list_meters()]
