import threading
from pathlib import Path
from typing import ClassVar

import pytest

from hwprof.errors import DeviceError
from hwprof.machine.host import SYSTEM, Roots
from hwprof.machine.meters import Availability, EnergyMeter
from hwprof.machine.meters.registry import REGISTRY
from hwprof.plugins import Entry
from hwprof.testing import machines as fake_machines
from hwprof.testing.meters import check_meter
from tests.machine.meters import trees

MACHINES = {
    "rapl": fake_machines.intel_desktop(),
    "amd-energy": trees.amd_server(),
    "socket-power": trees.grace_hopper(),
    "ina": trees.agx_orin(),
    "psu": trees.corsair(),
    "battery": trees.laptop(),
}
BUILT_IN = tuple(REGISTRY.entries(()).values())
# Meters that read no file tree keep the laws in tests of their own.
ON_TREES = [point for point in BUILT_IN if point.name in MACHINES]


@pytest.mark.parametrize("point", ON_TREES, ids=lambda point: point.name)
@pytest.mark.parametrize("machine", [*MACHINES, "virtual machine", "not Linux"])
def test_built_in_meters(tmp_path: Path, point: Entry, machine: str) -> None:
    others = {
        "virtual machine": fake_machines.virtual_machine(),
        "not Linux": fake_machines.not_linux(),
    }
    roots = fake_machines.build(tmp_path, (MACHINES | others)[machine])
    answer = check_meter(point.load(), roots)
    assert answer.ok == (point.name == machine)
    assert answer.present == answer.ok
    assert "hwprof-power" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("point", BUILT_IN, ids=lambda point: point.name)
def test_on_this_very_machine(point: Entry) -> None:
    check_meter(point.load())


def test_every_built_in_meter_goes_by_its_own_name(tmp_path: Path) -> None:
    for point in ON_TREES:
        roots = fake_machines.build(tmp_path / point.name, MACHINES[point.name])
        with point.load().create(roots) as meter:
            assert meter.name == point.name


class Lawful(EnergyMeter):
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


class Covering(Lawful):
    covers = "everything"  # type: ignore[assignment]


class Nameless(Lawful):
    @property
    def domain(self) -> str:
        return ""


class Instant(Lawful):
    @property
    def sample_period_s(self) -> float:
        return 0.0


class Falling(Lawful):
    def __init__(self) -> None:
        self._joules = 9.0

    def read_j(self) -> float:
        self._joules -= 1.0
        return self._joules


class Mute(Lawful):
    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        return Availability(False)


class Wordy(Mute):
    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        return Availability(False, "no sensor\nat all")


class Willing(Mute):
    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        return Availability(False, "no sensor")


class Unwilling(Willing):
    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> EnergyMeter:
        raise DeviceError("no sensor")


class Anonymous(Lawful):
    @property
    def name(self) -> str:
        return "two\nlines"


class Undecided(Lawful):
    automatic = 1  # type: ignore[assignment]


class Gapless(Lawful):
    @property
    def longest_gap_s(self) -> float:
        return 0.0


class Endless(Lawful):
    def read_j(self) -> float:
        return float("inf")


class Crashing(Lawful):
    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        raise OSError("bus\nerror")


class Bare(Lawful):
    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        return True  # type: ignore[return-value]


class Moody(Lawful):
    asked: ClassVar[list[int]] = []

    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        cls.asked.append(1)
        return Availability(len(cls.asked) % 2 == 1, "not now")


class Ghost(Lawful):
    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        return Availability(True, present=False)


class Rough(Willing):
    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> EnergyMeter:
        raise OSError("no sensor")


class Talkative(Willing):
    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> EnergyMeter:
        raise DeviceError("no sensor\nat all")


class Once(Lawful):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise ValueError("closed already")
        self.closed = True


@pytest.mark.parametrize("kind", [Lawful, Unwilling])
def test_a_lawful_meter_passes(kind: type[EnergyMeter]) -> None:
    check_meter(kind)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Covering, "covers is one of cpu, gpu, board"),
        (Nameless, "domain is one line and not empty"),
        (Instant, "the sample period is finite and above zero"),
        (Falling, "joules start at zero and never fall"),
        (Mute, "a meter that is not available says why"),
        (Wordy, "a reason is one line"),
        (Anonymous, "name is one line and not empty"),
        (Undecided, "automatic is True or False"),
        (Gapless, "the longest gap is above zero"),
        (Endless, "a reading is a number of joules"),
        (Crashing, r"available\(\) raises nothing, not OSError: bus error"),
        (Bare, r"available\(\) gives an Availability"),
        (Moody, r"available\(\) answers the same twice"),
        (Ghost, "what is available is present"),
        (Rough, "raises DeviceError alone, not OSError: no sensor"),
        (Talkative, "an error is one line"),
        (Once, "a meter may be closed twice, and here it raises ValueError: closed already"),
        (Willing, r"create\(\) refuses with DeviceError"),
    ],
)
def test_every_law_can_be_broken(kind: type[EnergyMeter], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_meter(kind)
