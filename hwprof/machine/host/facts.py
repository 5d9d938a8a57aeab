"""What a machine says of itself for the record of a measurement that was made on it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hwprof.machine.host.cpuinfo import is_virtual
from hwprof.machine.host.placement import available_cpus, can_pin
from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.machine.host.state import available_memory_bytes
from hwprof.version import __version__


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """Software and room of the machine that runs. None means that the system does not tell."""

    system: str
    """Operating system and machine type, for example `Linux-x86_64`."""
    kernel: str
    """Release of the kernel."""
    python_version: str
    hwprof_version: str
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Version of each library that takes part in a measurement, by its name."""
    memory_available_bytes: int | None = None
    """What this process can still take."""
    cpus: tuple[int, ...] | None = None
    """CPUs that this process may run on now."""
    virtual: bool | None = None
    """Whether it is a virtual machine."""
    host: str | None = None
    """The name that the machine goes by in its network."""
    pin_obstacle: str = ""
    """Why a process cannot be kept on chosen CPUs; empty when it can."""


def machine_facts(
    roots: Roots = SYSTEM, libraries: Mapping[str, str] | None = None
) -> MachineFacts:
    """Facts about the machine under this process; `libraries` are added to NumPy's version.

    Raises nothing.
    """
    return MachineFacts(
        system=f"{platform.system()}-{platform.machine()}",
        kernel=roots.text(roots.proc / "sys/kernel/osrelease") or platform.release(),
        python_version=platform.python_version(),
        hwprof_version=__version__,
        libraries={**library_versions(("numpy",)), **(libraries or {})},
        memory_available_bytes=available_memory_bytes(roots),
        cpus=available_cpus(roots),
        virtual=is_virtual(roots),
        host=roots.text(roots.proc / "sys/kernel/hostname") or platform.node() or None,
        pin_obstacle=can_pin(),
    )


def library_versions(names: Sequence[str]) -> dict[str, str]:
    """Version of each library, as the imported module says, else the installed package.

    Those that are neither imported nor installed are left out.
    """
    found = {}
    # Imported here: whoever only declares a device starts without it.
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    for name in names:
        version = getattr(sys.modules.get(name), "__version__", None)
        if version is None:
            try:
                version = installed(name)
            except PackageNotFoundError:
                continue
        found[name] = str(version)
    return found
