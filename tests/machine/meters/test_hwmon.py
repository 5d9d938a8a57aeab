from pathlib import Path

import pytest

from hwprof.errors import DeviceError
from hwprof.machine.meters import EnergyMeter
from hwprof.machine.meters.hwmon import AmdEnergyMeter, PsuMeter, SocketPowerMeter
from hwprof.testing import machines as fake_machines
from hwprof.testing.clock import FakeClock
from tests.machine.meters import trees


def test_sockets_are_summed_without_their_cores(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, trees.amd_server())
    meter = AmdEnergyMeter.create(roots)
    assert meter.domain == "Esocket0 + Esocket1"
    for number, spent_uj in ((1, 900_000), (2, 1_500_000), (3, 2_000_001)):
        path = roots.sys / f"class/hwmon/hwmon0/energy{number}_input"
        path.write_text(f"{int(path.read_text()) + spent_uj}\n")
    assert meter.read_j() == 3.500001


def test_a_counter_that_goes_back(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, trees.amd_server())
    meter = AmdEnergyMeter.create(roots)
    (roots.sys / "class/hwmon/hwmon0/energy2_input").write_text("4999999\n")
    with pytest.raises(DeviceError, match="Esocket0 went backwards, from 5000000 to 4999999 uJ"):
        meter.read_j()


def test_a_grace_socket_is_not_its_module(tmp_path: Path) -> None:
    """The module's meter would count the GPU, the CPU's leave out the memory."""
    roots = fake_machines.build(tmp_path, trees.grace_hopper())
    clock = FakeClock()
    meter = SocketPowerMeter(roots, SocketPowerMeter.found(roots), clock=clock.now)
    clock.advance(0.4)
    assert meter.read_j() == pytest.approx(48.0)
    assert meter.domain == "Grace Power Socket 0"
    assert meter.sample_period_s == 0.05


def test_two_x_gene_sockets_of_one_name(tmp_path: Path) -> None:
    files = {}
    for number, microwatts in enumerate((30_000_000, 20_000_000)):
        folder = f"{trees.HWMON}/hwmon{number}"
        files |= {
            f"{folder}/name": "apm_xgene\n",
            f"{folder}/power1_label": "CPU power\n",
            f"{folder}/power1_input": f"{microwatts}\n",
            f"{folder}/power2_label": "IO power\n",
            f"{folder}/power2_input": "9000000\n",
        }
    roots = fake_machines.build(tmp_path, files)
    clock = FakeClock()
    meter = SocketPowerMeter(roots, SocketPowerMeter.found(roots), clock=clock.now)
    clock.advance(0.1)
    assert meter.read_j() == pytest.approx(5.0)


def test_a_power_supply_covers_the_board(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, trees.corsair())
    clock = FakeClock()
    meter = PsuMeter(roots, PsuMeter.found(roots), clock=clock.now)
    clock.advance(1.0)
    assert meter.read_j() == pytest.approx(182.0)
    assert (meter.covers, meter.domain) == ("board", "power total")


@pytest.mark.parametrize("kind", [AmdEnergyMeter, SocketPowerMeter, PsuMeter])
def test_not_there(tmp_path: Path, kind: type[EnergyMeter]) -> None:
    answer = kind.available(fake_machines.build(tmp_path, fake_machines.intel_desktop()))
    assert not answer.ok
    assert not answer.present


def test_text_where_a_number_belongs(tmp_path: Path) -> None:
    tree = trees.corsair() | {f"{trees.HWMON}/hwmon2/power1_input": "high\n"}
    answer = PsuMeter.available(fake_machines.build(tmp_path, tree))
    assert "power1_input holds no whole number" in answer.reason
