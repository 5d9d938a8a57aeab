"""What a device must be able to do.

It times; it never decides how often, nor computes statistics. A runtime that runs in this process
writes a `Program` (hwprof.devices.program) and gets its session from there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from hwprof.device_spec import DeviceSpec
from hwprof.devices.options import Option
from hwprof.machine.accelerator import Accelerator
from hwprof.machine.availability import Availability as Availability
from hwprof.measurement import Memory
from hwprof.models.base import Model
from hwprof.models.outputs import OutputTensor
from hwprof.profile import Profile
from hwprof.samples import Samples


@dataclass(frozen=True, slots=True)
class ProfiledRun:
    """A profile and what else the runtime told while profiling.

    The memory figures come from the profiled session, not from the timed one.
    """

    profile: Profile
    arena_peak_bytes: int | None = None
    weights_bytes: int | None = None
    planned_activation_bytes: int | None = None
    mapping: str = ""
    """How far the kernels could be led back to nodes of the model file, in a few words."""


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
    def outputs(self) -> tuple[OutputTensor, ...]:
        """Outputs of one run on the inputs that are timed, in the order the model declares them.

        Those inputs are `hwprof.models.inputs.feed_of` the model. Types that
        NumPy lacks come as float32. Raises MeasurementError when the run fails, DeviceError when
        the device cannot hand its outputs out.
        """

    @abstractmethod
    def overhead_s(self) -> float | None:
        """Seconds that timing adds to a run of the model; None where it cannot be told.

        Stated, never subtracted.
        """

    @abstractmethod
    def memory(self) -> Memory:
        """Memory since the session was opened. Raises nothing: unknown figures are absent."""

    @abstractmethod
    def profile(self, runs: int) -> ProfiledRun:
        """Profile about `runs` runs, with the profile's `node_cost_s` left None.

        They may be fewer, down to one, where the runtime's profiler records no more or a run takes
        long, and more, up to `hwprof.devices.profiled_runs.ROUNDS` times as many, where too few
        were left alone by other programs.

        No timing may be asked for afterwards: the runtime may reopen the model to profile it.
        Raises DeviceError when the runtime has no per-kernel profile.
        """

    def accelerator(self) -> Accelerator | None:
        """The GPU that the session runs on, to be watched meanwhile; None on a processor."""
        return None

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
    runtime inside `availability`, `spec` and `open`, never at module level. One whose options are
    fields has `options`, `create` and `spec` from hwprof.devices.declared.
    """

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """What may be set, for listings."""
        return ()

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
