"""Machines as folders: the kernel's files of five kinds of machine, to test readers on.

Each function gives file contents by path; change some with `|`, and `build` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hwprof.machine.host.roots import Roots

_CPU = "sys/devices/system/cpu"
_MEMORY = "MemTotal:       {total} kB\nMemFree:        1000 kB\nMemAvailable:   {free} kB\n"


def build(folder: Path, files: Mapping[str, str]) -> Roots:
    """Write the files of a machine below `folder`, and give the roots to read them by."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Roots(folder / "proc", folder / "sys")


def stat_text(*ticks: str) -> str:
    """`/proc/stat` of CPUs 0, 1, ... with `user nice system idle iowait irq softirq steal`."""
    lines = [f"cpu{index} {line} 0 0" for index, line in enumerate(ticks)]
    return "cpu  1 2 3 4 5 6 7 8 0 0\n" + "\n".join(lines) + "\nctxt 12\n"


def _base(cpus: int, allowed: str, *, load: str, total_kb: int, free_kb: int) -> dict[str, str]:
    memory = "VmHWM:\t    5000 kB\nVmRSS:\t    4000 kB\n"
    return {
        "proc/self/status": f"Name:\tpython\n{memory}Cpus_allowed_list:\t{allowed}\n",
        "proc/self/stat": "77 (python) R 1 77 77 0 -1 0 0 0 0 0 50 50 0 0 20 0 1 0 900 1 1",
        "proc/self/clear_refs": "",
        "proc/self/cgroup": "0::/\n",
        "proc/loadavg": f"{load} 0.10 0.10 1/84 77\n",
        "proc/meminfo": _MEMORY.format(total=total_kb, free=free_kb),
        "proc/stat": stat_text(*["100 0 50 1000 10 0 0 0"] * cpus),
        f"{_CPU}/online": f"0-{cpus - 1}\n",
    }


def intel_desktop() -> dict[str, str]:
    """Two packages of two cores of two threads (CPU n and n + 4), governor `powersave`, RAPL."""
    flags = "fpu sse4_1 sse4_2 avx fma f16c avx2 avx_vnni sme svm"
    files = _base(8, "0-7", load="0.20", total_kb=32_768_000, free_kb=20_000_000)
    files["proc/cpuinfo"] = "\n".join(
        f"processor\t: {n}\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Core(TM) i7-0000\n"
        f"cpu MHz\t\t: 800.000\nflags\t\t: {flags}\n"
        for n in range(8)
    )
    files |= {
        f"{_CPU}/smt/active": "1\n",
        f"{_CPU}/intel_pstate/no_turbo": "0\n",
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
        "sys/class/thermal/thermal_zone0/type": "acpitz\n",
        "sys/class/thermal/thermal_zone0/temp": "99000\n",
        "sys/class/thermal/thermal_zone1/type": "x86_pkg_temp\n",
        "sys/class/thermal/thermal_zone1/temp": "61000\n",
        "sys/class/hwmon/hwmon0/name": "coretemp\n",
        "sys/class/hwmon/hwmon0/temp1_input": "62000\n",
        "sys/class/hwmon/hwmon0/temp1_label": "Package id 0\n",
        "sys/class/hwmon/hwmon1/name": "nvme\n",
        "sys/class/hwmon/hwmon1/temp1_input": "88000\n",
    }
    for n in range(8):
        package = (n % 4) // 2
        files |= {
            f"{_CPU}/cpu{n}/cpufreq/scaling_governor": "powersave\n",
            f"{_CPU}/cpu{n}/cpufreq/scaling_cur_freq": f"{1_000_000 + 1000 * n}\n",
            f"{_CPU}/cpu{n}/topology/core_cpus_list": f"{n % 4},{n % 4 + 4}\n",
            f"{_CPU}/cpu{n}/topology/physical_package_id": f"{package}\n",
            f"{_CPU}/cpu{n}/topology/core_id": f"{n % 2}\n",
            f"{_CPU}/cpu{n}/thermal_throttle/core_throttle_count": "2\n",
            f"{_CPU}/cpu{n}/thermal_throttle/package_throttle_count": "5\n",
        }
    zones = {
        "intel-rapl:0": ("package-0", 1_000_000),
        "intel-rapl:0:0": ("core", 400_000),
        "intel-rapl:0:1": ("dram", 300_000),
        "intel-rapl:1": ("package-1", 2_000_000),
        "intel-rapl:1:0": ("dram", 300_000),
        "intel-rapl:2": ("psys", 9_000_000),
        "intel-rapl-mmio:0": ("package-0", 1_000_000),
    }
    for zone, (name, energy_uj) in zones.items():
        files |= {
            f"sys/class/powercap/{zone}/name": f"{name}\n",
            f"sys/class/powercap/{zone}/energy_uj": f"{energy_uj}\n",
            f"sys/class/powercap/{zone}/max_energy_range_uj": "262143328850\n",
        }
    return files


def arm_board() -> dict[str, str]:
    """big.LITTLE: two slow cores (0, 1), four fast ones (2 to 5); no RAPL, no DMI."""
    files = _base(6, "0-5", load="0.05", total_kb=3_800_000, free_kb=3_000_000)
    blocks = []
    for n in range(6):
        slow = n < 2
        features = "fp asimd evtstrm aes crc32 cpuid" + (" asimddp" if not slow else "")
        blocks.append(
            f"processor\t: {n}\nBogoMIPS\t: 48.00\nFeatures\t: {features}\n"
            f"CPU implementer\t: 0x41\nCPU part\t: {'0xd03' if slow else '0xd09'}\n"
        )
        files |= {
            f"{_CPU}/cpu{n}/cpu_capacity": "500\n" if slow else "1024\n",
            f"{_CPU}/cpu{n}/cpufreq/scaling_governor": "schedutil\n" if slow else "performance\n",
            f"{_CPU}/cpu{n}/cpufreq/scaling_cur_freq": "1800000\n" if slow else "2208000\n",
            f"{_CPU}/cpu{n}/topology/core_cpus_list": f"{n}\n",
        }
    return files | {
        "proc/cpuinfo": "\n".join(blocks) + "\nHardware\t: Amlogic\nSerial\t\t: 1\n",
        "proc/device-tree/model": "Khadas VIM3\0",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "47500\n",
        "sys/class/thermal/thermal_zone1/type": "ddr_thermal\n",
        "sys/class/thermal/thermal_zone1/temp": "70000\n",
        f"{_CPU}/smt/active": "0\n",
    }


def container() -> dict[str, str]:
    """Half of an eight-CPU server, limited by cgroup v2 to 1.5 CPUs and 2 GiB."""
    files = _base(8, "0-3", load="0.50", total_kb=64_000_000, free_kb=60_000_000)
    group = "sys/fs/cgroup/pod/box"
    return files | {
        "proc/self/cgroup": "0::/pod/box\n",
        "proc/cpuinfo": "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n"
        "flags\t\t: fpu avx avx2 avx512f\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
        "sys/fs/cgroup/pod/cpu.max": "400000 100000\n",
        "sys/fs/cgroup/pod/memory.max": "max\n",
        "sys/fs/cgroup/pod/memory.current": "1500000000\n",
        f"{group}/cpu.max": "150000 100000\n",
        f"{group}/cpu.stat": "usage_usec 1\nnr_periods 10\nnr_throttled 4\nthrottled_usec 5\n",
        f"{group}/memory.max": f"{2 << 30}\n",
        f"{group}/memory.current": f"{1 << 30}\n",
        f"{group}/memory.stat": f"anon 1\ninactive_file {256 << 20}\n",
    }


def virtual_machine() -> dict[str, str]:
    """Two virtual CPUs, nothing but a hypervisor flag and a nominal clock to see."""
    files = _base(2, "0-127", load="0.10", total_kb=8_000_000, free_kb=7_000_000)
    blocks = [
        f"processor\t: {n}\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n"
        f"cpu MHz\t\t: 2500.000\nflags\t\t: fpu avx avx2 hypervisor\n"
        for n in range(2)
    ]
    return files | {"proc/cpuinfo": "\n".join(blocks)}


def not_linux() -> dict[str, str]:
    """Neither `/proc` nor `/sys`."""
    return {}
