from pathlib import Path

import pytest

from hwprof.errors import DeviceError
from hwprof.machine.host import Roots
from hwprof.machine.meters.rapl import RaplMeter, counted_zones, zones
from hwprof.testing import machines as fake_machines

RANGE_UJ = 262_143_328_850


def package(energy_uj: int, zone: str = "intel-rapl:0", name: str = "package-0") -> dict[str, str]:
    folder = f"sys/class/powercap/{zone}"
    return {
        f"{folder}/name": f"{name}\n",
        f"{folder}/energy_uj": f"{energy_uj}\n",
        f"{folder}/max_energy_range_uj": f"{RANGE_UJ}\n",
    }


def test_a_wrap_to_the_last_digit(tmp_path: Path) -> None:
    meter = RaplMeter.create(fake_machines.build(tmp_path, package(262_143_000_000)))
    fake_machines.build(tmp_path, package(500_000))
    # The same figure as Zeus's reader on this tree.
    assert meter.read_j() == 0.82885
    assert meter.read_j() == 0.82885


def test_several_wraps_add_up(tmp_path: Path) -> None:
    meter = RaplMeter.create(fake_machines.build(tmp_path, package(0)))
    readings = []
    for energy_uj in (100_000_000_000, 200_000_000_000, 10_000_000_000, 90_000_000_000):
        fake_machines.build(tmp_path, package(energy_uj))
        readings.append(meter.read_j())
    assert readings == sorted(readings)
    assert readings[-1] == (RANGE_UJ + 90_000_000_000) / 1e6


def test_packages_are_summed_and_parts_are_not_counted_twice(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    meter = RaplMeter.create(roots)
    assert meter.domain == "package-0 + package-1"
    assert meter.read_j() == 0.0
    for zone in ("0", "0:0", "0:1", "1", "1:0", "2"):
        path = roots.sys / f"class/powercap/intel-rapl:{zone}/energy_uj"
        path.write_text(f"{int(path.read_text()) + 1_000_000}\n")
    assert meter.read_j() == 2.0


def test_every_zone_is_listed(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    listed = {zone.path.name: zone.name for zone in zones(roots)}
    assert listed["intel-rapl:0:1"] == "dram"
    assert listed["intel-rapl:2"] == "psys"
    assert listed["intel-rapl-mmio:0"] == "package-0"
    assert len(listed) == 7
    assert [zone.path.name for zone in counted_zones(roots)] == ["intel-rapl:0", "intel-rapl:1"]


def test_the_memory_mapped_copy_serves_where_it_is_alone(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, package(1_000_000, "intel-rapl-mmio:0"))
    assert [zone.path.name for zone in counted_zones(roots)] == ["intel-rapl-mmio:0"]


@pytest.mark.parametrize(("vendor", "counted"), [("AuthenticAMD", 2), ("GenuineIntel", 4)])
def test_dies_of_an_amd_package_mirror_one_counter(
    tmp_path: Path, vendor: str, counted: int
) -> None:
    files = {"proc/cpuinfo": f"processor\t: 0\nvendor_id\t: {vendor}\n"}
    for number in range(4):
        name = f"package-{number // 2}-die-{number % 2}"
        files |= package(1_000_000, f"intel-rapl:{number}", name)
    assert len(counted_zones(fake_machines.build(tmp_path, files))) == counted


def test_zones_are_links_on_a_real_system(tmp_path: Path) -> None:
    real = "sys/devices/virtual/powercap/intel-rapl/intel-rapl:0"
    files = {
        name.replace("sys/class/powercap/intel-rapl:0", real): text
        for name, text in package(7_000_000).items()
    }
    roots = fake_machines.build(tmp_path, files)
    folder = roots.sys / "class/powercap"
    folder.mkdir(parents=True)
    (folder / "intel-rapl").symlink_to(tmp_path / Path(real).parent)
    (folder / "intel-rapl:0").symlink_to(tmp_path / real)
    assert RaplMeter.create(roots).domain == "package-0"


def test_a_counter_that_goes_back_without_a_wrap(tmp_path: Path) -> None:
    meter = RaplMeter.create(fake_machines.build(tmp_path, package(9_000_000)))
    fake_machines.build(tmp_path, package(8_000_000))
    with pytest.raises(DeviceError, match="went backwards, from 9000000 to 8000000 uJ"):
        meter.read_j()


def test_a_refusal_says_how_to_be_let_in(tmp_path: Path) -> None:
    built = fake_machines.build(tmp_path, fake_machines.intel_desktop())

    def read(path: Path) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return path.read_text()

    roots = Roots(built.proc, built.sys, read)
    answer = RaplMeter.available(roots)
    assert not answer.ok
    assert answer.fix == "sudo chmod a+r /sys/class/powercap/*/energy_uj"
    assert answer.fix in answer.reason
    with pytest.raises(DeviceError, match="may not be read by this user"):
        RaplMeter.create(roots)


def test_a_sensor_that_vanishes_midway(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, package(1))
    meter = RaplMeter.create(roots)
    (roots.sys / "class/powercap/intel-rapl:0/energy_uj").unlink()
    with pytest.raises(DeviceError, match="energy_uj cannot be read"):
        meter.read_j()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("energy_uj", "lots\n", "cannot be read: invalid literal"),
        ("max_energy_range_uj", "0\n", "does not say where its counter wraps"),
    ],
)
def test_nonsense_in_the_tree(tmp_path: Path, name: str, text: str, reason: str) -> None:
    files = package(1) | {f"sys/class/powercap/intel-rapl:0/{name}": text}
    answer = RaplMeter.available(fake_machines.build(tmp_path, files))
    assert not answer.ok
    assert reason in answer.reason


@pytest.mark.parametrize("machine", [fake_machines.arm_board, fake_machines.not_linux])
def test_machines_without_rapl(tmp_path: Path, machine: object) -> None:
    assert callable(machine)
    answer = RaplMeter.available(fake_machines.build(tmp_path, machine()))
    assert not answer.ok
    assert "has no RAPL zone (virtual machines rarely expose one)" in answer.reason


def test_only_psys_is_no_package(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, package(1, name="psys"))
    assert not RaplMeter.available(roots).ok


def test_the_longest_gap_is_half_a_range_at_the_highest_power(tmp_path: Path) -> None:
    meter = RaplMeter.create(fake_machines.build(tmp_path, package(1)))
    assert meter.longest_gap_s == pytest.approx(131, rel=0.01)
