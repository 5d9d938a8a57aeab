"""Where a device runs: in this process, in a fresh worker, later behind SSH or ADB.

A target adds to a device what belongs to the machine around it: pinning, the state of the host,
its software and its energy sensor. What the measured machine knows, it says: nothing of the machine
that asks goes into a record.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Session
from hwprof.machine.host import HostState, MachineFacts, Pin
from hwprof.measurement import Energy
from hwprof.models.base import Model

ANYWHERE = Pin()


class Run(Session):
    """A session on a target: it also knows the machine around it."""

    @abstractmethod
    def energy(self) -> Energy:
        """Energy of one run from the target's sensor, or the reason there is none."""

    @abstractmethod
    def host_state(self) -> HostState:
        """State of the machine the device runs on, now."""

    @abstractmethod
    def facts(self) -> MachineFacts:
        """Software of the machine the device runs on, the runtime's own among it."""

    @property
    @abstractmethod
    def cpus(self) -> tuple[int, ...]:
        """CPUs that the running threads are kept on; empty when they may run anywhere."""


class Target(ABC):
    """A place that can open models on one device."""

    @property
    @abstractmethod
    def spec(self) -> DeviceSpec:
        """Identity of the device there.

        Raises DeviceError when the device is unavailable there, OptionError when it refuses its
        options, MeasurementError when the place cannot be reached.
        """

    @abstractmethod
    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        """Open a model with the running threads kept where `pin` says.

        Raises ModelError or DeviceError with the reason it will not run, OptionError for CPUs that
        are not there.
        """
