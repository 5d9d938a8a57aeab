"""What a device must be able to do.

It times; it never decides how often, nor computes statistics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from hwprof.device_spec import DeviceSpec
from hwprof.devices.availability import Availability as Availability
from hwprof.measurement import Memory, Subject
from hwprof.profile import Profile
from hwprof.samples import Samples


@dataclass(frozen=True, slots=True)
class Model:
    """A model file with every input dimension decided."""

    path: Path
    subject: Subject


@dataclass(frozen=True, slots=True)
class ProfiledRun:
    """A profile and what else the runtime told while profiling.

    The memory figures come from the profiled session, not from the timed one.
    """

    profile: Profile
    arena_peak_bytes: int | None = None
    weights_bytes: int | None = None
    planned_activation_bytes: int | None = None


class Session(ABC):
    """A model opened on a device. Closing it frees everything; it is a context manager."""

    @property
    @abstractmethod
    def setup_s(self) -> float:
        """Seconds that opening the model took."""

    @abstractmethod
    def time(self, samples: int, loops: int = 1) -> Samples:
        """Time `samples` samples of `loops` back-to-back runs each, seconds per run.

        The very first run after opening is the first sample of the first call. Raises
        MeasurementError when a run fails.
        """

    @abstractmethod
    def memory(self) -> Memory:
        """Memory since the session was opened. Raises nothing: unknown figures are absent."""

    @abstractmethod
    def profile(self, runs: int) -> ProfiledRun:
        """Profile `runs` runs, with the profile's `node_cost_s` left None.

        No timing may be asked for afterwards: the runtime may reopen the model to profile it.
        Raises DeviceError when the runtime has no per-kernel profile.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the session. Calling it again does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Device(ABC):
    """A runtime on some hardware, with its settings decided.

    A backend is a subclass found through the entry-point group `hwprof.devices`; it imports its
    runtime inside `availability`, `spec` and `open`, never at module level.
    """

    @classmethod
    @abstractmethod
    def availability(cls) -> Availability:
        """Whether the runtime and the hardware are here. Raises nothing."""

    @classmethod
    @abstractmethod
    def create(cls, options: Mapping[str, str]) -> Device:
        """Build a device from the options of `NAME:key=value,...`.

        Raises OptionError for an unknown option or value, naming what is allowed.
        """

    @property
    @abstractmethod
    def spec(self) -> DeviceSpec:
        """Identity of the device. Raises DeviceError when it cannot be established."""

    @abstractmethod
    def open(self, model: Model) -> Session:
        """Open a model. Raises ModelError or DeviceError with the reason it will not run."""
