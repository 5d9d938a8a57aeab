"""This end of a worker: starts it, relays calls, and tells what killed it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import ProfiledRun
from hwprof.devices.registry import Listed, connect, parse
from hwprof.errors import DeviceError, HwprofError, MeasurementError
from hwprof.machine.host import HostState
from hwprof.measurement import Energy, Memory
from hwprof.models.base import Model
from hwprof.models.outputs import OutputTensor
from hwprof.samples import Samples
from hwprof.targets.base import Run, Target
from hwprof.targets.channel import Channel
from hwprof.targets.protocol import (
    VERSION,
    Call,
    Open,
    Opened,
    Overhead,
    SpecOf,
)

# Runtimes that the core imports anyway: their specs are asked for in this process.
LIGHT = frozenset({"onnxruntime-cpu"})
LOOKS_AT_ONCE = 4


class WorkerRun(Run):
    """A model open in a worker process."""

    def __init__(self, opening: Open) -> None:
        """Raises what the worker reports: ModelError, DeviceError or MeasurementError."""
        self.channel = Channel(f"measuring '{Path(opening.path).name}'")
        try:
            self._setup_s = self.channel.ask(opening, Opened).setup_s
        except BaseException:
            # Ctrl-C included: an unfinished opening must not leave its process behind.
            self.channel.close()
            raise

    @property
    def setup_s(self) -> float:
        return self._setup_s

    def time(self, samples: int, loops: int = 1) -> Samples:
        return self.channel.ask(Call("time", {"samples": samples, "loops": loops}), Samples)

    def outputs(self) -> tuple[OutputTensor, ...]:
        return self.channel.ask(Call("outputs"), tuple[OutputTensor, ...])

    def overhead_s(self) -> float | None:
        # A union is no class, and what is expected may be one.
        return self.channel.ask(Call("overhead_s"), Overhead).seconds

    def memory(self) -> Memory:
        return self.channel.ask(Call("memory"), Memory)

    def profile(self, runs: int) -> ProfiledRun:
        return self.channel.ask(Call("profile", {"runs": runs}), ProfiledRun)

    def energy(self) -> Energy:
        return self.channel.ask(Call("energy"), Energy)

    def host_state(self) -> HostState:
        return self.channel.ask(Call("host_state"), HostState)

    def close(self) -> None:
        self.channel.close()


def spec_in_worker(device: str, options: Mapping[str, str]) -> DeviceSpec:
    """The spec of a device, found in a process of its own.

    Runtimes are heavy to import, and two of them in one process may not get on. Raises DeviceError
    for one that is installed but broken.
    """
    channel = Channel(f"looking at device {device}")
    try:
        return channel.ask(SpecOf(VERSION, device, options), DeviceSpec)
    except MeasurementError as error:
        raise DeviceError(f"device {device} cannot be used: {error}") from error
    finally:
        channel.close()


def look_at_devices(listed: Sequence[Listed]) -> tuple[Listed, ...]:
    """The same devices with their specs, those that turn out to be broken marked unavailable.

    Each is opened in its own process, several at a time: a runtime may be installed and yet not
    import.
    """

    def look(device: Listed) -> Listed:
        if not device.available:
            return device
        try:
            return replace(device, spec=spec_in_worker(device.name, {}))
        except HwprofError as error:
            return replace(device, available=False, reason=str(error))

    with ThreadPoolExecutor(LOOKS_AT_ONCE) as threads:
        return tuple(threads.map(look, listed))


class WorkerTarget(Target):
    """A fresh local process for every model that is opened.

    `meter` names the energy meter, else `$HWPROF_METER` does, else the best one is taken.
    """

    def __init__(
        self, device: str, options: Mapping[str, str] | None = None, meter: str | None = None
    ) -> None:
        name, own = parse(device)
        self._device = name
        self._options = {**own, **(options or {})}
        self._spec: DeviceSpec | None = None
        connect(self._device, self._options)  # a wrong name or option is refused here
        self._meter = meter or os.environ.get("HWPROF_METER") or ""
        if self._meter:
            # Imported here: looking for meters is slow to import.
            from hwprof.machine.meters import require_meter

            require_meter(self._meter)

    @property
    def spec(self) -> DeviceSpec:
        if self._spec is None:
            if self._device in LIGHT:
                self._spec = connect(self._device, self._options).spec
            else:
                self._spec = spec_in_worker(self._device, self._options)
        return self._spec

    def start(self, model: Model, cpus: tuple[int, ...] = ()) -> Run:
        opening = Open(
            VERSION,
            self._device,
            self._options,
            str(model.path.resolve()),
            model.subject,
            cpus,
            model.format,
            self._meter,
        )
        return WorkerRun(opening)
