"""Which CPUs there are, and which of them to measure on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hwprof.errors import OptionError
from hwprof.machine.host.roots import SYSTEM, Roots, cpu_list, parse_cpu_list
from hwprof.machine.host.stat import cpu_times

# Cores whose capacity differs by less are one kind: an x86 processor lets a favoured core clock a
# few percent higher than its equals, while the kinds of a big.LITTLE board differ by far more.
_CAPACITY_STEP = 0.05


@dataclass(frozen=True, slots=True)
class Pin:
    """Where a run is to be kept: on given CPUs, on quiet ones, or anywhere.

    What is quiet only the machine that runs can tell, so the choice is left to it.
    """

    cpus: tuple[int, ...] = ()
    """These CPUs, whatever else runs there."""
    quiet: int = 0
    """Without `cpus`, this many of the least busy ones; 0 leaves the run to the scheduler."""

    def __post_init__(self) -> None:
        if self.quiet < 0 or any(cpu < 0 for cpu in self.cpus):
            raise ValueError("CPUs are numbered from 0, and none can be fewer than none")


def available_cpus(roots: Roots = SYSTEM) -> tuple[int, ...] | None:
    """CPUs that the calling thread may run on, ascending; None when the system does not tell.

    From `Cpus_allowed_list` of the thread, without CPUs that are offline (a virtual machine's mask
    often names CPUs it does not have). Where there is no `/proc`, None: such systems (macOS) do
    not pin either.
    """
    for status in ("thread-self/status", "self/status"):
        listed = roots.fields(roots.proc / status).get("Cpus_allowed_list")
        if not listed:
            continue
        try:
            allowed = parse_cpu_list(listed)
        except ValueError:
            continue
        online = cpu_list(roots, roots.sys / "devices/system/cpu/online") or tuple(cpu_times(roots))
        # Without either list the mask is all there is to go by.
        return tuple(cpu for cpu in allowed if cpu in online) if online else allowed
    return None


def siblings(roots: Roots, cpu: int) -> tuple[int, ...]:
    """Hardware threads that share `cpu`'s core, itself included; just itself when unreadable."""
    topology = roots.cpu(cpu) / "topology"
    # The first name is of kernel 5.4 and later (Documentation/admin-guide/cputopology.rst).
    for name in ("core_cpus_list", "thread_siblings_list"):
        found = cpu_list(roots, topology / name)
        if found:
            return found
    return (cpu,)


def capacities(roots: Roots, cpus: Sequence[int]) -> dict[int, int]:
    """Relative speed of each CPU, 1024 being the fastest core of the machine.

    From `cpu_capacity` (Documentation/scheduler/sched-capacity.rst); on x86 hybrids without it,
    the CPUs in `/sys/devices/cpu_atom/cpus` count as half. All are equal when nothing tells.
    """
    found = {cpu: roots.number(roots.cpu(cpu) / "cpu_capacity") for cpu in cpus}
    known = {cpu: capacity for cpu, capacity in found.items() if capacity}
    if len(known) == len(found):
        return known
    efficient = cpu_list(roots, roots.sys / "devices/cpu_atom/cpus") or ()
    return {cpu: 512 if cpu in efficient else 1024 for cpu in cpus}


def quiet_cpus(
    n: int,
    *,
    window_s: float = 0.1,
    sleep: Callable[[float], None] = time.sleep,
    roots: Roots = SYSTEM,
) -> tuple[int, ...]:
    """The `n` CPUs of the affinity mask to measure on, best first.

    Best is: on a core not chosen yet (no two hardware threads of one core while another core is
    left), of the fastest kind of core, least busy over `window_s` seconds together with its
    siblings, and of the highest number, since the low numbers serve most interrupts. Speed goes
    before quiet: a slower core is another machine, while a busy one shows in the samples.

    All of the mask when it has exactly `n` CPUs (nothing to choose, so no waiting), and an empty
    tuple when it has fewer or cannot be read: there is then no placement to offer. Raises
    ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    cpus = available_cpus(roots) or ()
    if len(cpus) < n:
        return ()
    busy = _busy_shares(roots, window_s, sleep) if len(cpus) > n else {}
    speed = capacities(roots, cpus)
    fastest = max(speed.values())
    kind = {cpu: int((1 - speed[cpu] / fastest) / _CAPACITY_STEP) for cpu in cpus}
    cores = {cpu: siblings(roots, cpu) for cpu in cpus}
    core_busy = {cpu: sum(busy.get(thread, 0.0) for thread in cores[cpu]) for cpu in cpus}

    def rank(cpu: int) -> tuple[int, float, float, int]:
        return kind[cpu], core_busy[cpu], busy.get(cpu, 0.0), -cpu

    chosen: list[int] = []
    left = sorted(cpus, key=rank)
    while len(chosen) < n:
        taken = {thread for cpu in chosen for thread in cores[cpu]}
        chosen.append(next((cpu for cpu in left if cpu not in taken), left[0]))
        left.remove(chosen[-1])
    return tuple(chosen)


def _busy_shares(
    roots: Roots, window_s: float, sleep: Callable[[float], None]
) -> Mapping[int, float]:
    """Busy or stolen share of each CPU's time over the window."""
    before = cpu_times(roots)
    sleep(window_s)
    spent = {c: t.since(before[c]) for c, t in cpu_times(roots).items() if c in before}
    return {c: (t.busy + t.steal) / t.total for c, t in spent.items() if t.total}


def place(pin: Pin, roots: Roots = SYSTEM) -> tuple[int, ...]:
    """Keep this process where `pin` says, and give the CPUs: none when it may run anywhere.

    Raises OptionError for CPUs that this process may not use.
    """
    cpus = pin.cpus or (quiet_cpus(pin.quiet, roots=roots) if pin.quiet else ())
    if not cpus:
        return ()
    setter = getattr(os, "sched_setaffinity", None)
    if setter is None:
        raise OptionError("this system cannot pin a process; use --pin none")
    try:
        setter(0, cpus)
    except (OSError, ValueError, OverflowError) as error:
        usable = ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0)))
        asked = ",".join(str(cpu) for cpu in cpus)
        raise OptionError(
            f"cannot run on processors {asked} ({error}); usable here: {usable}"
        ) from error
    return tuple(cpus)


def can_pin() -> str:
    """Empty when this thread may choose its CPUs, else the reason. Changes nothing."""
    setter = getattr(os, "sched_setaffinity", None)
    if setter is None:
        return "this system has no call to pin a thread to CPUs"
    try:
        # Asking for the mask it has already is refused where any change is (seccomp).
        setter(0, os.sched_getaffinity(0))
    except OSError as error:
        return f"the system refuses to pin: {error.strerror}"
    return ""
