"""The machine as a part of a device's identity."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable

from hwprof.device_spec import Hardware
from hwprof.machine.host.cpuinfo import cpu_name, emulation, isa_flags
from hwprof.machine.host.roots import SYSTEM, Roots, cpu_list, whole
from hwprof.machine.host.stat import cpu_times

# A kernel update moves MemTotal by some hundred kilobytes. The figure is part of a device's
# fingerprint, so it is rounded for the machine to stay the same device.
MEMORY_STEP_BYTES = 64 << 20

# macOS's names for the flags that Linux lists in /proc/cpuinfo.
_SYSCTL_FLAGS = {
    "hw.optional.arm.AdvSIMD": "asimd",
    "hw.optional.arm.FEAT_FP16": "asimdhp",
    "hw.optional.arm.FEAT_DotProd": "asimddp",
    "hw.optional.arm.FEAT_FHM": "asimdfhm",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_SME": "sme",
    "hw.optional.sse4_2": "sse4_2",
    "hw.optional.avx1_0": "avx",
    "hw.optional.avx2_0": "avx2",
    "hw.optional.fma": "fma",
    "hw.optional.f16c": "f16c",
    "hw.optional.avx512f": "avx512f",
}


def _sysctl() -> dict[str, str]:
    """Every `sysctl` value by name; empty where there is no such program."""
    import subprocess

    try:
        answer = subprocess.run(
            ["sysctl", "hw", "machdep", "sysctl"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    pairs = (line.partition(":") for line in answer.stdout.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def hardware(
    roots: Roots = SYSTEM,
    *,
    system: str | None = None,
    machine: str | None = None,
    sysctl: Callable[[], dict[str, str]] = _sysctl,
) -> Hardware:
    """The machine under this process.

    `cores` counts the CPUs that are online, whatever this process is pinned to; `memory_bytes` is
    the machine's, rounded to 64 MiB, whatever limit a container sets. Where `/proc` is missing
    the facts come from `platform`, `sysctl` (macOS) and psutil, and flags may be missing. What
    nothing tells is an empty name or zero, which cannot be mistaken for a machine. For how
    `emulated` is found, see `cpuinfo.emulation`. Raises nothing.
    """
    system = platform.system() if system is None else system
    machine = platform.machine() if machine is None else machine
    isa = isa_flags(roots)
    name = cpu_name(roots)
    emulated = emulation(roots, machine) is not None
    if system == "Darwin":
        facts = sysctl()
        name = name or facts.get("machdep.cpu.brand_string")
        isa = isa or tuple(sorted(f for key, f in _SYSCTL_FLAGS.items() if facts.get(key) == "1"))
        emulated = emulated or facts.get("sysctl.proc_translated") == "1"
    cpus = cpu_list(roots, roots.sys / "devices/system/cpu/online") or tuple(cpu_times(roots))
    return Hardware(
        system=f"{system}-{machine}",
        cpu=name or platform.processor() or machine,
        isa=isa,
        cores=len(cpus) if cpus else os.cpu_count() or 0,
        memory_bytes=_memory_bytes(roots),
        emulated=emulated,
    )


def _memory_bytes(roots: Roots) -> int:
    total = roots.fields(roots.proc / "meminfo").get("MemTotal", "").removesuffix(" kB")
    kilobytes = whole(total)
    if kilobytes is not None:
        exact = kilobytes * 1024
    else:
        import psutil

        exact = int(psutil.virtual_memory().total)
    # Never zero for a machine smaller than half a step.
    return round(exact / MEMORY_STEP_BYTES) * MEMORY_STEP_BYTES or exact
