import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError
from itertools import count
from pathlib import Path

import pytest

from hwprof.machine.doctor import Finding, Status, diagnose
from hwprof.machine.host import Roots
from hwprof.testing import machines as fake_machines
from hwprof.testing.clock import FakeClock

CHECKS = [
    "emulation",
    "virtual machine",
    "versions",
    "governor",
    "turbo",
    "clock",
    "SMT",
    "load",
    "busy processes",
    "steal",
    "pinning",
    "CPU quota",
    "memory",
    "peak memory",
    "temperature",
    "throttling",
    "timer",
    "energy",
]


def ticking(step_ns: int) -> Callable[[], int]:
    ticks: Iterator[int] = count(0, step_ns)
    return lambda: next(ticks)


def examine(
    roots: Roots,
    *,
    meanwhile: dict[str, str] | None = None,
    machine: str = "x86_64",
    step_ns: int = 40,
    pin_obstacle: str = "",
    version: Callable[[str], str] = lambda package: "1.0",
) -> dict[str, Finding]:
    """Findings by check; `meanwhile` are files that change while the doctor watches."""
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        fake_machines.build(roots.proc.parent, meanwhile or {})

    findings = diagnose(
        roots,
        sleep=sleep,
        clock=clock.now,
        timer_ns=ticking(step_ns),
        pin_obstacle=lambda: pin_obstacle,
        version=version,
        machine=machine,
    )
    assert [finding.check for finding in findings] == CHECKS
    for finding in findings:
        assert finding.message, finding.check
        if finding.status in (Status.WARN, Status.FAIL):
            assert finding.fix, f"{finding.check} is bad and says no way out"
    return {finding.check: finding for finding in findings}


def statuses(found: dict[str, Finding], status: Status) -> set[str]:
    return {name for name, finding in found.items() if finding.status is status}


def test_intel_desktop(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    more = fake_machines.stat_text(*["110 0 50 1040 10 0 0 0"] * 8)
    found = examine(roots, meanwhile={"proc/stat": more})
    assert statuses(found, Status.WARN) == {"governor", "turbo", "SMT"}
    assert statuses(found, Status.ABSENT) == set()
    assert found["governor"].message.startswith("powersave: the clock follows the load")
    assert found["governor"].fix.startswith("echo performance | sudo tee /sys/devices")
    assert found["turbo"].fix.endswith("intel_pstate/no_turbo")
    assert found["energy"].message == "can be measured with rapl"
    assert found["clock"].message == "1.00 GHz"
    assert found["throttling"].message == "not now; 18 times since boot"
    assert found["timer"].message == "steps of 40 ns from tsc"


def test_a_well_kept_desktop_has_nothing_to_mend(tmp_path: Path) -> None:
    files = fake_machines.intel_desktop()
    cpu = "sys/devices/system/cpu"
    files |= {f"{cpu}/intel_pstate/no_turbo": "1\n", f"{cpu}/smt/active": "0\n"}
    files |= {f"{cpu}/cpu{n}/cpufreq/scaling_governor": "performance\n" for n in range(8)}
    more = fake_machines.stat_text(*["110 0 50 1040 10 0 0 0"] * 8)
    found = examine(fake_machines.build(tmp_path, files), meanwhile={"proc/stat": more})
    assert statuses(found, Status.OK) == set(CHECKS)
    assert not any(finding.fix for finding in found.values())


def test_arm_board(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.arm_board())
    found = examine(roots, machine="aarch64")
    assert statuses(found, Status.WARN) == {"governor"}
    assert found["governor"].message.startswith("performance, schedutil:")
    assert found["temperature"].message == "48 degrees Celsius"
    assert {"energy", "turbo", "throttling", "virtual machine"} <= statuses(found, Status.ABSENT)


def test_container_with_a_quota(tmp_path: Path) -> None:
    files = fake_machines.container()
    stops = {"sys/fs/cgroup/pod/box/cpu.stat": "nr_throttled 9\n"}
    found = examine(fake_machines.build(tmp_path, files), meanwhile=stops)
    assert found["CPU quota"].status is Status.WARN
    assert found["CPU quota"].message.startswith("1.5 of 4 CPUs: once it is used up")
    assert found["CPU quota"].message.endswith("this happened 5 times just now")
    assert found["memory"].message == "1.2 GiB available"


def test_a_quota_of_all_cpus_stops_nobody(tmp_path: Path) -> None:
    files = fake_machines.container() | {"sys/fs/cgroup/pod/box/cpu.max": "400000 100000\n"}
    assert examine(fake_machines.build(tmp_path, files))["CPU quota"].status is Status.OK


def test_virtual_machine_with_steal_and_a_noisy_neighbour(tmp_path: Path) -> None:
    def hog(ticks: int) -> str:
        return f"9 (hog) R 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5 1 1\n"

    files = fake_machines.virtual_machine() | {
        "proc/9/stat": hog(0),
        "proc/loadavg": "1.90 1 1 2/84 77\n",
    }
    busy = fake_machines.stat_text("140 0 50 1000 10 0 0 10", "100 0 50 1050 10 0 0 0")
    found = examine(
        fake_machines.build(tmp_path, files),
        meanwhile={"proc/stat": busy, "proc/9/stat": hog(40)},
    )
    assert statuses(found, Status.WARN) == {"virtual machine", "load", "busy processes", "steal"}
    assert "gave 10.0% of the processor to others" in found["steal"].message
    assert found["busy processes"].message.startswith("hog (80% of a CPU)")
    assert found["energy"].message.startswith("no energy sensor on this machine (looked for rapl,")


def test_without_proc_and_sys(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.not_linux())
    reason = "this system has no call to pin a thread to CPUs"
    found = examine(roots, machine="arm64", pin_obstacle=reason)
    assert statuses(found, Status.OK) == {"emulation", "versions", "timer"}
    assert statuses(found, Status.WARN) == {"pinning"}
    assert reason in found["pinning"].message
    assert "ru_maxrss" in found["peak memory"].message


def test_emulation_fails(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    found = examine(roots, machine="aarch64")
    assert found["emulation"].status is Status.FAIL
    assert found["emulation"].fix == "measure on a real aarch64 machine"


def test_a_missing_package_fails(tmp_path: Path) -> None:
    def version(package: str) -> str:
        if package == "onnxruntime":
            raise PackageNotFoundError(package)
        return "2.0"

    found = examine(fake_machines.build(tmp_path, {}), version=version)["versions"]
    assert found.status is Status.FAIL
    assert found.fix == "pip install onnxruntime"
    assert "onnx 2.0" in found.message


def test_energy_permission(tmp_path: Path) -> None:
    built = fake_machines.build(tmp_path, fake_machines.intel_desktop())

    def read(path: Path) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return path.read_text()

    energy = examine(Roots(built.proc, built.sys, read))["energy"]
    assert energy.status is Status.ABSENT
    assert energy.fix == "sudo chmod a+r /sys/class/powercap/*/energy_uj"


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"sys/class/hwmon/hwmon0/temp1_input": "96000\n"}, "temperature", "about to slow"),
        ({"proc/meminfo": "MemAvailable: 500000 kB\n"}, "memory", "0.5 GiB available: a larger"),
        ({"proc/self/status": "Cpus_allowed_list:\t3\n"}, "pinning", "only CPU 3 may be used"),
        (
            {"sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n"},
            "timer",
            "from hpet: reading the clock adds microseconds",
        ),
    ],
)
def test_other_troubles(tmp_path: Path, changes: dict[str, str], check: str, words: str) -> None:
    files = fake_machines.intel_desktop() | changes
    found = examine(fake_machines.build(tmp_path, files))[check]
    assert found.status is Status.WARN
    assert words in found.message


def test_throttling_while_watching(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    counter = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    found = examine(roots, meanwhile={counter: "4\n"})["throttling"]
    assert found.status is Status.WARN
    assert found.message.startswith("2 times just now")


@pytest.mark.parametrize(
    ("boost", "status", "fix"),
    [
        ("0", Status.OK, ""),
        ("1", Status.WARN, "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"),
    ],
)
def test_boost_switch_of_amd(tmp_path: Path, boost: str, status: Status, fix: str) -> None:
    files = {"sys/devices/system/cpu/cpufreq/boost": f"{boost}\n"}
    found = examine(fake_machines.build(tmp_path, files))["turbo"]
    assert (found.status, found.fix) == (status, fix)


@pytest.mark.parametrize(("step_ns", "status"), [(0, Status.FAIL), (15_600_000, Status.WARN)])
def test_timers_that_are_too_coarse(tmp_path: Path, step_ns: int, status: Status) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    assert examine(roots, step_ns=step_ns)["timer"].status is status


def test_this_very_machine() -> None:
    clock = FakeClock()
    findings = diagnose(sleep=clock.sleep, clock=clock.now)
    assert [finding.check for finding in findings] == CHECKS
    assert {f.check: f.status for f in findings}["versions"] is Status.OK


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, hwprof.machine.doctor as doctor;"
        "doctor.diagnose(sleep=lambda s: None);"
        "heavy = {'numpy', 'onnx', 'onnxruntime', 'torch', 'psutil'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
