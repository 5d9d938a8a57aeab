"""This very process as a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Device, ProfiledRun, Session
from hwprof.errors import DeviceError, ModelError
from hwprof.machine.host import (
    HostState,
    MachineFacts,
    Pin,
    available_memory_bytes,
    machine_facts,
    place,
    snapshot,
)
from hwprof.measurement import Energy, Memory
from hwprof.models.base import Model
from hwprof.models.outputs import OutputTensor
from hwprof.samples import Samples
from hwprof.targets.base import ANYWHERE, Run, Target

if TYPE_CHECKING:
    from hwprof.machine.meters import Coverage


def refuse_too_large(model: Model, free: int | None) -> None:
    """Raise ModelError if the model alone exceeds the memory that is free here now."""
    needed = model.needed_bytes
    if free is not None and needed > free:
        raise ModelError(
            f"'{model.path.name}' needs at least {needed / 2**30:.1f} GiB for weights and inputs, "
            f"but only {free / 2**30:.1f} GiB is free; close other programs or use a larger machine"
        )


class LocalRun(Run):
    """A session in this very process. What the machine tells can be stood in for.

    `meter` names the energy meter; without it one is chosen that serves the hardware `covering`.
    `cpus` are those that this process is kept on.
    """

    def __init__(
        self,
        session: Session,
        *,
        energy: Callable[[], Energy] | None = None,
        state: Callable[[], HostState] = snapshot,
        facts: Callable[[], MachineFacts] = machine_facts,
        cpus: tuple[int, ...] = (),
        meter: str | None = None,
        covering: Callable[[], Coverage] = lambda: "cpu",
    ) -> None:
        self._session = session
        self._energy = energy
        self._state = state
        self._facts = facts
        self._cpus = cpus
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

    def facts(self) -> MachineFacts:
        return self._facts()

    @property
    def cpus(self) -> tuple[int, ...]:
        return self._cpus

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

    def start(self, model: Model, pin: Pin = ANYWHERE) -> LocalRun:
        return self.open(model, place(pin))

    def open(self, model: Model, cpus: tuple[int, ...] = ()) -> LocalRun:
        """Open a model in this process, which is kept on `cpus` already."""
        if self._meter is not None:
            from hwprof.machine.meters import require_meter  # imported here, as above

            require_meter(self._meter)
        refuse_too_large(model, available_memory_bytes())
        return LocalRun(
            self._device.open(model),
            meter=self._meter,
            covering=self._covering,
            facts=self._facts,
            cpus=cpus,
        )

    def _facts(self) -> MachineFacts:
        spec = self._device.spec
        return machine_facts(libraries={spec.runtime: spec.runtime_version})

    def _covering(self) -> Coverage:
        return "gpu" if self._device.spec.hardware.accelerator else "cpu"
