"""The same files read by Zeus (https://ml.energy/zeus), an independent implementation."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from zeus.device.cpu import rapl as zeus_rapl
from zeus.device.soc import jetson as zeus_jetson

from hwprof.machine.host import Roots
from hwprof.machine.meters.ina import rails, total
from hwprof.machine.meters.rapl import RaplMeter
from hwprof.testing import machines as fake_machines
from tests.machine.meters import trees

RANGE_UJ = 262_143_328_850
FOLDER = "sys/class/powercap/intel-rapl:0"


class Wraps:
    """Zeus's own watch for wraps, which is a process that polls, made to poll when told."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = path
        self._monkeypatch = monkeypatch
        self._lock = threading.Lock()
        self.value = 0

    def get_lock(self) -> threading.Lock:
        return self._lock

    def get_num_wraparounds(self) -> int:
        return self.value

    def watch(self, energies_uj: list[int]) -> None:
        """Let the counter take these values while Zeus polls, once for each."""
        left = iter(energies_uj)

        def instead_of_sleeping(seconds: float) -> None:
            value = next(left, None)
            if value is None:
                raise KeyboardInterrupt  # as the polling ends in earnest
            self._path.write_text(f"{value}\n")

        self._monkeypatch.setattr(zeus_rapl.time, "sleep", instead_of_sleeping)
        zeus_rapl._polling_process(str(self._path), RANGE_UJ, self)
        self._monkeypatch.undo()


def package(roots_folder: Path, energy_uj: int) -> Roots:
    files = {
        f"{FOLDER}/name": "package-0\n",
        f"{FOLDER}/energy_uj": f"{energy_uj}\n",
        f"{FOLDER}/max_energy_range_uj": f"{RANGE_UJ}\n",
    }
    return fake_machines.build(roots_folder, files)


def both(
    folder: Path, monkeypatch: pytest.MonkeyPatch, first_uj: int, later_uj: list[int]
) -> tuple[float, float]:
    """Joules by hwprof and millijoules by Zeus over the same values of one counter."""
    roots = package(folder, first_uj)
    path = folder / FOLDER / "energy_uj"
    theirs = zeus_rapl.RAPLCPU(0, str(folder / "sys/class/powercap"))
    wraps = Wraps(path, monkeypatch)
    theirs.rapl_file._wraparound_tracker = wraps
    before_mj = theirs.get_total_energy_consumption().cpu_mj

    meter = RaplMeter.create(roots)
    for energy_uj in later_uj:
        wraps.watch([energy_uj])
        meter.read_j()
    return meter.read_j(), theirs.get_total_energy_consumption().cpu_mj - before_mj


def test_rapl_through_a_wrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours_j, theirs_mj = both(tmp_path, monkeypatch, 262_143_000_000, [500_000])
    assert ours_j == 0.82885
    # Zeus subtracts readings of 262 kJ in doubles, so its last digits are those of 262 kJ.
    assert round(theirs_mj, 3) == 828.85
    assert round(ours_j * 1e6) == round(theirs_mj * 1e3)


@pytest.mark.parametrize("seed", range(5))
def test_rapl_to_the_microjoule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = random.Random(seed)
    energy_uj = first_uj = rng.randrange(RANGE_UJ)
    later_uj = []
    for _ in range(12):
        energy_uj = (energy_uj + rng.randrange(RANGE_UJ // 3)) % RANGE_UJ
        later_uj.append(energy_uj)
    ours_j, theirs_mj = both(tmp_path, monkeypatch, first_uj, later_uj)
    assert ours_j * 1e6 > RANGE_UJ
    assert round(ours_j * 1e6) == round(theirs_mj * 1e3)


def jetson(folder: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    """The board's power in mW as Zeus reads it from a folder instead of `/`."""
    monkeypatch.setattr(
        zeus_jetson,
        "Path",
        lambda text: (
            folder / str(text).removeprefix("/") if str(text).startswith("/sys/") else Path(text)
        ),
    )
    # Its constructor insists on an aarch64 machine and starts a process; the readers do not.
    soc = object.__new__(zeus_jetson.Jetson)
    readers = zeus_jetson.Jetson._discover_available_metrics(soc)
    return readers["total_power_mw"].measure_power()


def i2c(tree: dict[str, str]) -> dict[str, str]:
    """The chips of a tree where the I2C driver shows them, which is where Zeus looks."""
    driver = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon"
    return tree | {name.replace(trees.HWMON, driver): text for name, text in tree.items()}


@pytest.mark.parametrize(
    ("voltage_mv", "current_ma"), [(5000, 1200), (4992, 1), (5088, 7351), (19_776, 2048)]
)
def test_the_input_of_a_jetson(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, voltage_mv: int, current_ma: int
) -> None:
    rail = ("VDD_IN", voltage_mv, current_ma)
    tree = i2c(trees.ina3221(4, rail, ("VDD_CPU_GPU_CV", 4992, 232), ("VDD_SOC", 4992, 288)))
    roots = fake_machines.build(tmp_path, tree)
    (counted,) = total(rails(roots))
    assert counted.read_uw(roots) / 1e3 == jetson(tmp_path, monkeypatch)


def test_the_input_of_the_first_nano(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = fake_machines.build(tmp_path, trees.nano())
    (counted,) = total(rails(roots))
    assert counted.read_uw(roots) / 1e3 == jetson(tmp_path, monkeypatch) == 2550.0
