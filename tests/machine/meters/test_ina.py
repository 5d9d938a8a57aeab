from pathlib import Path

import pytest

from hwprof.errors import DeviceError
from hwprof.machine.host import Roots
from hwprof.machine.meters.ina import InaMeter, rails, total
from hwprof.testing import machines as fake_machines
from hwprof.testing.clock import FakeClock
from tests.machine.meters import trees


def metered(roots: Roots) -> tuple[InaMeter, FakeClock]:
    """A meter driven by hand: no thread, no waiting."""
    clock = FakeClock()
    return InaMeter(roots, total(rails(roots)), clock=clock.now), clock


@pytest.mark.parametrize(
    ("tree", "domain", "watts"),
    [
        (trees.orin_nano(), "VDD_IN", 6.0),
        (trees.agx_orin(), "VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0", 19.9),
        (trees.nano(), "POM_5V_IN", 2.55),
        # The driver's own product, which is finer than its rounded factors.
        (trees.thor(), "VIN", 38.125),
    ],
    ids=["orin-nano", "agx-orin", "nano", "thor"],
)
def test_boards(tmp_path: Path, tree: dict[str, str], domain: str, watts: float) -> None:
    roots = fake_machines.build(tmp_path, tree)
    assert InaMeter.available(roots).ok
    meter, clock = metered(roots)
    clock.advance(0.1)
    assert meter.read_j() == pytest.approx(watts * 0.1, rel=1e-12)
    assert meter.domain == domain
    assert meter.name == "ina"


def test_power_that_changes_is_followed(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, trees.orin_nano())
    meter, clock = metered(roots)
    current = roots.sys / "class/hwmon/hwmon4/curr1_input"
    for milliamperes in (1400, 2000):
        clock.advance(0.1)
        current.write_text(f"{milliamperes}\n")
        meter.sampler.sample()
    # 6 W to 7 W to 10 W, each over 0.1 s.
    assert meter.read_j() == pytest.approx(0.65 + 0.85)


def test_shunt_sums_and_unconnected_channels_are_no_rails(tmp_path: Path) -> None:
    tree = trees.agx_orin() | {f"{trees.HWMON}/hwmon2/in1_enable": "0\n"}
    found = rails(fake_machines.build(tmp_path, tree))
    labels = ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO", "NC"]
    assert [rail.label for rail in found] == labels


@pytest.mark.parametrize(("interval_ms", "period_s"), [(None, 0.02), (1, 0.02), (250, 0.25)])
def test_the_driver_tells_the_period(
    tmp_path: Path, interval_ms: int | None, period_s: float
) -> None:
    tree = trees.ina3221(0, ("VDD_IN", 5000, 1000), interval_ms=interval_ms)
    meter, _ = metered(fake_machines.build(tmp_path, tree))
    assert meter.sample_period_s == period_s


def test_a_part_does_not_pass_for_the_whole(tmp_path: Path) -> None:
    tree = trees.ina3221(0, ("VDD_GPU_SOC", 19800, 400), ("VDD_CPU_CV", 19800, 100))
    answer = InaMeter.available(fake_machines.build(tmp_path, tree))
    assert not answer.ok
    assert answer.present
    assert answer.reason == (
        "it is not known which rails of this board add up to its input (VDD_GPU_SOC, VDD_CPU_CV)"
    )


def test_a_rail_without_a_name_is_not_the_board(tmp_path: Path) -> None:
    folder = f"{trees.HWMON}/hwmon0"
    tree = {
        f"{folder}/name": "ina226\n",
        f"{folder}/in1_input": "12000\n",
        f"{folder}/curr1_input": "900\n",
        f"{folder}/power1_input": "10800000\n",
    }
    answer = InaMeter.available(fake_machines.build(tmp_path, tree))
    assert not answer.ok
    assert "one without a label" in answer.reason


def test_other_chips_are_not_there(tmp_path: Path) -> None:
    answer = InaMeter.available(fake_machines.build(tmp_path, fake_machines.intel_desktop()))
    assert not answer.ok
    assert not answer.present
    assert answer.reason.endswith("class/hwmon has no INA power monitor (Jetson boards do)")


def test_a_refusal_says_how_to_be_let_in(tmp_path: Path) -> None:
    built = fake_machines.build(tmp_path, trees.orin_nano())

    def read(path: Path) -> str:
        if path.name == "curr1_input":
            raise PermissionError(13, "Permission denied", str(path))
        return path.read_text()

    roots = Roots(built.proc, built.sys, read)
    answer = InaMeter.available(roots)
    assert not answer.ok
    assert "curr1_input may not be read by this user" in answer.reason
    with pytest.raises(DeviceError, match=r"sudo chmod a\+r"):
        InaMeter.create(roots)


def test_a_chip_that_vanishes_midway(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, trees.orin_nano())
    meter, clock = metered(roots)
    (roots.sys / "class/hwmon/hwmon4/in1_input").unlink()
    clock.advance(0.1)
    meter.sampler.sample()
    with pytest.raises(DeviceError, match="in1_input cannot be read"):
        meter.read_j()


def test_current_that_flows_back_is_no_energy(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, trees.orin_nano())
    meter, clock = metered(roots)
    (roots.sys / "class/hwmon/hwmon4/curr1_input").write_text("-16\n")
    clock.advance(0.1)
    with pytest.raises(DeviceError, match=r"gave -0\.08 W"):
        meter.read_j()
