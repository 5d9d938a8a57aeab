"""Where a device runs: in this process, in a fresh worker, later behind SSH or ADB.

A target adds to a device what belongs to the machine around it: pinning, the state of the host
and its energy sensor.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Session
from hwprof.errors import DeviceError
from hwprof.machine.host import HostState
from hwprof.measurement import Energy
from hwprof.models.base import Model

if TYPE_CHECKING:
    pass


class Run(Session):
    """A session on a target: it also knows the machine around it."""

    @abstractmethod
    def energy(self) -> Energy:
        """Energy of one run from the target's sensor, or the reason there is none."""

    @abstractmethod
    def host_state(self) -> HostState:
        """State of the machine the device runs on, now."""


class Target(ABC):
    """A place that can open models on one device."""

    @property
    @abstractmethod
    def spec(self) -> DeviceSpec:
        """Identity of the device there."""

    @abstractmethod
    def start(self, model: Model, cpus: tuple[int, ...] = ()) -> Run:
        """Open a model with the running threads kept on `cpus` (empty: anywhere).

        Raises ModelError or DeviceError with the reason it will not run.
        """


class UnavailableTarget(Target):
    """A device that was asked for and is not here: it fails where it would be used.

    In a sweep over devices it becomes a failure row instead of the end of the sweep.
    """

    def __init__(self, error: DeviceError) -> None:
        self._error = error

    @property
    def spec(self) -> DeviceSpec:
        raise self._error

    def start(self, model: Model, cpus: tuple[int, ...] = ()) -> Run:
        raise self._error
