"""This very process as a target."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Device, ProfiledRun, Session
from hwprof.errors import DeviceError, OptionError
from hwprof.machine.host import HostState, snapshot
from hwprof.measurement import Energy, Memory
from hwprof.models.base import Model
from hwprof.models.outputs import OutputTensor
from hwprof.samples import Samples
from hwprof.targets.base import Run, Target

if TYPE_CHECKING:
    from hwprof.machine.meters import Coverage


def pin(cpus: tuple[int, ...]) -> None:
    """Keep this process on `cpus`. Raises OptionError for processors that are not there."""
    if not cpus:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise OptionError("this system cannot pin a process; use --pin none")
    try:
        os.sched_setaffinity(0, cpus)
    except (OSError, ValueError) as error:
        usable = ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0)))
        asked = ",".join(str(cpu) for cpu in cpus)
        raise OptionError(
            f"cannot run on processors {asked} ({error}); usable here: {usable}"
        ) from error


class LocalRun(Run):
    """A session in this very process. The sensor and the state of the host can be stood in for.

    `meter` names the energy meter; without it one is chosen that serves the hardware `covering`.
    """

    def __init__(
        self,
        session: Session,
        *,
        energy: Callable[[], Energy] | None = None,
        state: Callable[[], HostState] = snapshot,
        meter: str | None = None,
        covering: Callable[[], Coverage] = lambda: "cpu",
    ) -> None:
        self._session = session
        self._energy = energy
        self._state = state
        self._meter = meter
        self._covering = covering

    @property
    def setup_s(self) -> float:
        return self._session.setup_s

    def time(self, samples: int, loops: int = 1) -> Samples:
        return self._session.time(samples, loops)

    def outputs(self) -> tuple[OutputTensor, ...]:
        return self._session.outputs()

    def overhead_s(self) -> float | None:
        return self._session.overhead_s()

    def memory(self) -> Memory:
        return self._session.memory()

    def profile(self, runs: int) -> ProfiledRun:
        return self._session.profile(runs)

    def energy(self) -> Energy:
        if self._energy is not None:
            return self._energy()
        # Imported here: looking for meters is slow to import, and a worker should start fast.
        from hwprof.machine.meters import Absent, EnergyMeter, find_meter, measure_energy

        meter: EnergyMeter | Absent
        accelerator = self._session.accelerator()
        if self._meter is None and accelerator is not None:
            # The meter of the very GPU that the session runs on.
            try:
                meter = accelerator.meter()
            except DeviceError as error:
                return Energy(reason=str(error))
        else:
            meter = find_meter(self._meter, covering=self._covering())
        if isinstance(meter, Absent):
            return Energy(reason=meter.reason)
        with meter:
            return measure_energy(meter, lambda runs: self._session.time(1, runs))

    def host_state(self) -> HostState:
        state, accelerator = self._state(), self._session.accelerator()
        return replace(state, gpu=accelerator.state()) if accelerator else state

    def close(self) -> None:
        self._session.close()


class LocalTarget(Target):
    """This process. Its memory figures include whatever the process holds already.

    `meter` names the energy meter; without it one is chosen that covers the device's hardware.
    """

    def __init__(self, device: Device, meter: str | None = None) -> None:
        self._device = device
        self._meter = meter

    @property
    def spec(self) -> DeviceSpec:
        return self._device.spec

    def start(self, model: Model, cpus: tuple[int, ...] = ()) -> Run:
        pin(cpus)
        return LocalRun(self._device.open(model), meter=self._meter, covering=self._covering)

    def _covering(self) -> Coverage:
        return "gpu" if self._device.spec.hardware.accelerator else "cpu"
