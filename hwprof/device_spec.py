"""What a device is: hardware, runtime and the settings that change how fast it runs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine under the runtime. `emulated` hardware never yields a latency worth keeping."""

    system: str
    """Operating system and machine type, for example `Linux-x86_64`."""
    cpu: str
    isa: tuple[str, ...]
    """Instruction-set flags that decide which kernels a runtime picks, sorted."""
    cores: int
    memory_bytes: int
    accelerator: str = ""
    """GPU or NPU name with its driver version; empty on a CPU."""
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """The identity of a device. Two measurements may be compared as one device only if these agree.

    The runtime's version and build are part of it: the same phone took 43.3 ms with a stock
    build and 67.5 ms with a vendor's.
    """

    name: str
    """Name it is asked for by, for example `onnxruntime-cpu`."""
    hardware: Hardware
    runtime: str
    runtime_version: str
    runtime_build: str
    provider: str
    precision: str
    threads: int
    options: Mapping[str, str]
    """Every other setting, by its command-line name; defaults included."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits over every field: equal only for devices that must measure alike."""
        hardware = self.hardware
        facts = [
            [hardware.system, hardware.cpu, hardware.isa, hardware.cores, hardware.memory_bytes],
            [hardware.accelerator, hardware.emulated],
            [self.name, self.runtime, self.runtime_version, self.runtime_build],
            [self.provider, self.precision, self.threads, sorted(self.options.items())],
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    @property
    def slug(self) -> str:
        """Readable id: hardware, runtime, version, precision, threads, then every other option."""
        where = self.hardware.accelerator or f"{self.hardware.cpu}-{self.hardware.cores}c"
        parts = [where, self.name, self.runtime_version, self.precision, f"{self.threads}t"]
        parts += [f"{k}-{v}" for k, v in sorted(self.options.items())]
        if self.hardware.emulated:
            parts.append("emulated")
        return re.sub(r"[^a-z0-9.]+", "-", "-".join(parts).lower()).strip("-")
