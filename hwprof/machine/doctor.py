"""What on this machine will spoil a measurement, and how to mend it."""

from __future__ import annotations

import importlib.metadata
import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from hwprof.machine.host.cgroup import cpu_quota
from hwprof.machine.host.cpuinfo import emulation, is_virtual
from hwprof.machine.host.placement import can_pin
from hwprof.machine.host.process import peak_reset_obstacle
from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.machine.host.stat import busiest, process_times
from hwprof.machine.host.state import HostDelta, HostState, between, snapshot
from hwprof.machine.meters.registry import explain, list_meters

# Above these a figure gets a warning.
_STEAL_SHARE = 0.01  # as much as the precision asked of a latency by default
_LOAD_PER_CPU = 0.25  # a quarter of the machine is taken already
_PROCESS_CPUS = 0.10  # one process using a tenth of a CPU
_HOT_C = 85.0  # processors begin to slow down between 90 and 105 degrees
_LOW_MEMORY_BYTES = 1 << 30  # many models need more than this with their runtime
_COARSE_TIMER_S = 1e-6  # a thousandth of a short model's run

_PACKAGES = ("hwprof", "numpy", "onnx", "onnxruntime")
_SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit")
_CPU = "/sys/devices/system/cpu"


class Status(StrEnum):
    OK = "ok"
    WARN = "warn"
    """Measurements will be worse than they could be."""
    ABSENT = "absent"
    """The system does not tell, or has no such thing."""
    FAIL = "fail"
    """Measurements will be missing or wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. A bad one says what it does to a measurement."""

    check: str
    status: Status
    message: str
    fix: str = ""
    """A command where one mends it, else advice; empty when nothing need or can be done."""


def diagnose(
    roots: Roots = SYSTEM,
    *,
    window_s: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.perf_counter,
    timer_ns: Callable[[], int] = time.perf_counter_ns,
    pin_obstacle: Callable[[], str] = can_pin,
    version: Callable[[str], str] = importlib.metadata.version,
    machine: str | None = None,
) -> list[Finding]:
    """Look the machine over, for `window_s` seconds where something must be watched.

    Every check gives exactly one finding, always in the same order. Changes nothing. What is
    not files can be replaced too: the waiting, both clocks, the attempt to pin, the versions
    that are installed and the machine type. Raises nothing.
    """
    processes = process_times(roots)
    before = snapshot(roots, clock=clock)
    sleep(window_s)
    after = snapshot(roots, clock=clock)
    passed = between(before, after)
    busy = busiest(processes, process_times(roots), passed.window_s)
    return [
        _emulation(roots, platform.machine() if machine is None else machine),
        _virtual_machine(roots),
        _versions(version),
        _governor(after),
        _turbo(roots),
        _clock(after),
        _smt(roots),
        _load(after),
        _busy_processes(busy),
        _steal(passed),
        _pinning(after, pin_obstacle()),
        _quota(roots, after, passed),
        _memory(after),
        _peak_memory(roots),
        _temperature(after),
        _throttling(after, passed),
        _timer(roots, timer_ns),
        _energy(roots),
    ]


def _emulation(roots: Roots, machine: str) -> Finding:
    how = emulation(roots, machine)
    if how is None:
        return Finding("emulation", Status.OK, "no sign that instructions are emulated")
    message = f"{how}: latencies here say nothing about real hardware"
    return Finding("emulation", Status.FAIL, message, f"measure on a real {machine} machine")


def _virtual_machine(roots: Roots) -> Finding:
    name = "virtual machine"
    virtual = is_virtual(roots)
    if virtual is None:
        return Finding(name, Status.ABSENT, "the system does not tell whether it is virtual")
    if not virtual:
        return Finding(name, Status.OK, "the processor is not virtual")
    message = (
        "the processor is virtual: other machines on the host share its caches, clock and cores "
        "unseen, so latencies drift"
    )
    return Finding(name, Status.WARN, message, "measure with --restarts 5 or more, or on metal")


def _versions(version: Callable[[str], str]) -> Finding:
    found = [f"python {platform.python_version()}"]
    missing = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        names = " ".join(missing)
        message = f"not installed: {names} (found {', '.join(found)}); models cannot be measured"
        return Finding("versions", Status.FAIL, message, f"pip install {names}")
    return Finding("versions", Status.OK, ", ".join(found))


def _governor(state: HostState) -> Finding:
    governor = state.governor
    if governor is None:
        message = "no frequency governor can be read, so the clock may change unseen"
        return Finding("governor", Status.ABSENT, message)
    if set(state.governors.values()) <= {"performance", "userspace"}:
        return Finding("governor", Status.OK, f"{governor}: the clock does not follow the load")
    message = f"{governor}: the clock follows the load, so short and first runs look slower"
    fix = f"echo performance | sudo tee {_CPU}/cpu*/cpufreq/scaling_governor"
    return Finding("governor", Status.WARN, message, fix)


def _turbo(roots: Roots) -> Finding:
    folder = roots.sys / "devices/system/cpu"
    no_turbo = roots.number(folder / "intel_pstate/no_turbo")
    boost = roots.number(folder / "cpufreq/boost")
    if no_turbo is None and boost is None:
        return Finding("turbo", Status.ABSENT, "no turbo or boost switch can be read")
    if no_turbo == 1 or (no_turbo is None and boost == 0):
        return Finding("turbo", Status.OK, "off: the clock does not depend on heat and neighbours")
    message = "on: the clock depends on heat and on how many cores are busy, so latencies drift"
    fix = f"echo 1 | sudo tee {_CPU}/intel_pstate/no_turbo"
    if no_turbo is None:
        fix = f"echo 0 | sudo tee {_CPU}/cpufreq/boost"
    return Finding("turbo", Status.WARN, message, fix)


def _clock(state: HostState) -> Finding:
    if state.clock_hz is None:
        message = "the current clock cannot be read, so a slow-down would go unnoticed"
        return Finding("clock", Status.ABSENT, message)
    return Finding("clock", Status.OK, f"{state.clock_hz / 1e9:.2f} GHz")


def _smt(roots: Roots) -> Finding:
    active = roots.number(roots.sys / "devices/system/cpu/smt/active")
    if active is None:
        return Finding("SMT", Status.ABSENT, "the system does not tell whether threads share cores")
    if not active:
        return Finding("SMT", Status.OK, "no two CPUs share a core")
    message = "two CPUs share each core: work on one slows the other by up to half"
    return Finding("SMT", Status.WARN, message, f"echo off | sudo tee {_CPU}/smt/control")


def _load(state: HostState) -> Finding:
    if state.load_average is None:
        return Finding("load", Status.ABSENT, "the load average cannot be read")
    cpus = len(state.affinity or state.cpu_times) or 1
    message = f"{state.load_average:.2f} over the last minute, on {cpus} CPUs"
    if state.load_average < _LOAD_PER_CPU * cpus:
        return Finding("load", Status.OK, message)
    message += ": other work interrupts runs and takes caches and memory bandwidth"
    return Finding("load", Status.WARN, message, "stop other work, or wait for it to end")


def _busy_processes(busy: list[tuple[str, float]] | None) -> Finding:
    if busy is None:
        return Finding("busy processes", Status.ABSENT, "other processes cannot be seen")
    loud = [f"{name} ({share:.0%} of a CPU)" for name, share in busy if share >= _PROCESS_CPUS]
    if not loud:
        return Finding("busy processes", Status.OK, "no other process is busy")
    message = f"{', '.join(loud[:3])}: they interrupt runs on the CPUs that they share"
    return Finding("busy processes", Status.WARN, message, "stop them while measuring")


def _steal(passed: HostDelta) -> Finding:
    share = passed.steal_share
    if share is None:
        return Finding("steal", Status.ABSENT, "processor time given to others is not counted here")
    message = f"the hypervisor gave {share:.1%} of the processor to others"
    if share < _STEAL_SHARE:
        return Finding("steal", Status.OK, message)
    message += ": runs are stretched by as much, and by far more now and then"
    return Finding("steal", Status.WARN, message, "measure at a quieter time, or on metal")


def _pinning(state: HostState, obstacle: str) -> Finding:
    if obstacle or state.affinity is None:
        reason = obstacle or "the CPUs that may be used cannot be read"
        message = f"{reason}: runs move between cores and lose their caches"
        return Finding("pinning", Status.WARN, message, "allow sched_setaffinity, or use Linux")
    message = f"possible, on CPUs {', '.join(map(str, state.affinity))}"
    if len(state.affinity) > 1:
        return Finding("pinning", Status.OK, message)
    message = f"only CPU {state.affinity[0]} may be used: every other process there interrupts runs"
    return Finding("pinning", Status.WARN, message, "allow a second CPU (taskset, --cpuset-cpus)")


def _quota(roots: Roots, state: HostState, passed: HostDelta) -> Finding:
    quota = cpu_quota(roots)
    if quota is None:
        return Finding("CPU quota", Status.ABSENT, "no control group can be read")
    if math.isinf(quota):
        return Finding("CPU quota", Status.OK, "none")
    cpus = len(state.affinity or state.cpu_times)
    message = f"{quota:g} of {cpus} CPUs"
    if passed.quota_stops == 0 and cpus and quota >= cpus:
        return Finding("CPU quota", Status.OK, message)
    message += ": once it is used up, all threads stand still until the next period (0.1 s)"
    if passed.quota_stops:
        message += f"; this happened {passed.quota_stops} times just now"
    fix = "run the container with --cpuset-cpus instead of --cpus"
    return Finding("CPU quota", Status.WARN, message, fix)


def _memory(state: HostState) -> Finding:
    free = state.memory_available_bytes
    if free is None:
        return Finding("memory", Status.ABSENT, "available memory cannot be read")
    message = f"{free / 2**30:.1f} GiB available"
    if free >= _LOW_MEMORY_BYTES:
        return Finding("memory", Status.OK, message)
    message += ": a larger model is swapped, or its process killed"
    return Finding("memory", Status.WARN, message, "close other programs, or raise the limit")


def _peak_memory(roots: Roots) -> Finding:
    obstacle = peak_reset_obstacle(roots)
    if not obstacle:
        return Finding("peak memory", Status.OK, "the peak can be reset before a model is opened")
    message = f"peak memory will be absent: {obstacle}"
    return Finding("peak memory", Status.ABSENT, message)


def _temperature(state: HostState) -> Finding:
    if state.temperature_c is None:
        return Finding("temperature", Status.ABSENT, "no processor temperature can be read")
    message = f"{state.temperature_c:.0f} degrees Celsius"
    if state.temperature_c < _HOT_C:
        return Finding("temperature", Status.OK, message)
    message += ": the processor is about to slow itself down"
    return Finding("temperature", Status.WARN, message, "let it cool, or improve the cooling")


def _throttling(state: HostState, passed: HostDelta) -> Finding:
    events = state.throttle_events
    if events is None:
        return Finding("throttling", Status.ABSENT, "slow-downs for heat are not counted here")
    if not passed.throttle_events:
        return Finding("throttling", Status.OK, f"not now; {events} times since boot")
    message = f"{passed.throttle_events} times just now: latencies grow while it is hot"
    return Finding("throttling", Status.WARN, message, "let it cool, or improve the cooling")


def _timer(roots: Roots, timer_ns: Callable[[], int]) -> Finding:
    readings = [timer_ns() for _ in range(1000)]
    steps = [b - a for a, b in pairwise(readings) if b > a]
    if not steps:
        message = "the clock did not advance in 1000 readings: runs cannot be timed"
        return Finding("timer", Status.FAIL, message, "check time.perf_counter on this system")
    step_s = min(steps) * 1e-9
    source = roots.text(roots.sys / "devices/system/clocksource/clocksource0/current_clocksource")
    message = f"steps of {step_s * 1e9:.0f} ns" + (f" from {source}" if source else "")
    if source not in _SLOW_CLOCKS and step_s <= _COARSE_TIMER_S:
        return Finding("timer", Status.OK, message)
    message += ": reading the clock adds microseconds to every sample"
    fix = "boot with clocksource=tsc if the processor's counter is steady; else measure long runs"
    return Finding("timer", Status.WARN, message, fix)


def _energy(roots: Roots) -> Finding:
    meters = list_meters(roots)
    working = [meter.name for meter in meters if meter.available and meter.automatic]
    if working:
        return Finding("energy", Status.OK, f"can be measured with {', '.join(working)}")
    absent = explain(meters)
    return Finding("energy", Status.ABSENT, absent.reason, absent.fix)
