"""What a device must be able to do. It times; it never decides how often, nor computes statistics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hwprof.device_spec import DeviceSpec
from hwprof.measurement import Memory, Subject
from hwprof.profile import Profile
from hwprof.samples import Samples


@dataclass(frozen=True, slots=True)
class Model:
    """A model file with every input dimension decided."""

    path: Path
    subject: Subject


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
    def profile(self, runs: int) -> Profile:
        """Profile `runs` runs, with `node_cost_s` left None.

        Raises DeviceError when the runtime has no per-kernel profile.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the session. Calling it again does nothing."""

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Device(ABC):
    """A runtime on some hardware, with its settings decided."""

    @property
    @abstractmethod
    def spec(self) -> DeviceSpec:
        """Identity of the device. Raises DeviceError when it cannot be established."""

    @abstractmethod
    def open(self, model: Model) -> Session:
        """Open a model. Raises ModelError or DeviceError with the reason it will not run."""
