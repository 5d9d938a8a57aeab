import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from hwprof.devices.host import SYSTEM, Roots, fake_machines
from hwprof.devices.meters import Absent, Availability, EnergyMeter, find_meter, list_meters
from hwprof.devices.meters.registry import GROUP
from hwprof.errors import DeviceError, OptionError


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
    for kind in (Wattmeter, Unplugged, CrashesWhenAsked, CrashesWhenMade):
        setattr(module, kind.__name__, kind)
    vars(module)["number"] = 3
    monkeypatch.setitem(sys.modules, "plugged_meters", module)


def plugin(attribute: str, name: str = "watt") -> EntryPoint:
    return EntryPoint(name, f"plugged_meters:{attribute}", GROUP)


@pytest.fixture
def bare(tmp_path: Path) -> Roots:
    return fake_machines.build(tmp_path, fake_machines.virtual_machine())


def test_rapl_is_found_without_entry_points(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    meter = find_meter(roots=roots, plugins=[])
    assert isinstance(meter, EnergyMeter)
    assert meter.name == "rapl"
    assert [(m.name, m.available) for m in list_meters(roots, plugins=[])] == [("rapl", True)]


def test_no_sensor_is_one_sentence(bare: Roots) -> None:
    answer = find_meter(roots=bare, plugins=[])
    assert isinstance(answer, Absent)
    assert answer.reason == (
        f"no energy sensor: {bare.sys}/class/powercap has no RAPL zone "
        "(virtual machines rarely expose one)"
    )


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
        ("Missing", "energy meter 'watt' does not load: AttributeError"),
        ("number", "energy meter 'watt' (plugged_meters:number) is not an EnergyMeter class"),
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
    gone = EntryPoint("gone", "no_such_package_here:Meter", GROUP)
    rapl, listed = list_meters(bare, plugins=[gone])
    assert not rapl.available
    assert not listed.available
    assert "ModuleNotFoundError" in listed.reason
    both = find_meter(roots=bare, plugins=[gone])
    assert isinstance(both, Absent)
    assert "no energy sensor" in both.reason
    assert "'gone' does not load" in both.reason


def test_an_unknown_name(bare: Roots) -> None:
    with pytest.raises(OptionError, match="unknown energy meter 'foo'; choose one of: rapl"):
        find_meter("foo", bare, plugins=[])


def test_this_very_machine() -> None:
    answer = find_meter()
    if isinstance(answer, Absent):
        assert answer.reason
    else:
        assert answer.read_j() >= 0
    assert "rapl" in [meter.name for meter in list_meters()]
