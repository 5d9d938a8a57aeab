"""CPU runtimes with a file format of their own, which an ONNX model is converted to first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar, final

from hwprof.devices.declared import DeclaredDevice
from hwprof.devices.options import choice, thread_count
from hwprof.devices.program import Program, ProgramSession
from hwprof.devices.scratch import scratch_folder
from hwprof.errors import DeviceError
from hwprof.models.base import Model

FP16_FLAG = "asimdhp"
"""What Linux calls an ARM processor's arithmetic on 16-bit floats."""


@dataclass(frozen=True, slots=True)
class ConvertingDevice(DeclaredDevice):
    """Converts before the set-up time starts: whoever deploys a model has done it before.

    `precision` is that of storage and arithmetic: fp32, or fp16 on ARM processors that have it.
    """

    TITLE: ClassVar[str]
    """How the runtime's authors write its name."""

    threads: int = thread_count()
    precision: str = choice("fp32", ("fp32", "fp16"), "fp16 on ARM processors that have it")

    @abstractmethod
    def library(self) -> ModuleType:
        """The runtime, imported. Raises DeviceError with the reason it is not usable."""

    @abstractmethod
    def has_fp16(self, library: ModuleType) -> bool:
        """Whether the runtime computes in fp16 on this processor."""

    @abstractmethod
    def converted(self, library: ModuleType, model: Model, folder: Path) -> Callable[[], Program]:
        """Convert a model into `folder`; what loads it, and needs no file of it afterwards."""

    @final
    def usable(self) -> ModuleType:
        """The runtime. Raises DeviceError for a precision that it would silently replace."""
        library = self.library()
        if self.precision == "fp16" and not self.has_fp16(library):
            raise DeviceError(
                f"{self.TITLE} computes in fp32 on this processor, whatever is asked of it: its "
                f"fp16 needs an ARM processor with {FP16_FLAG}; use precision=fp32"
            )
        return library

    @final
    def open_model(self, model: Model) -> ProgramSession:
        library = self.usable()
        with scratch_folder() as folder:
            load = self.converted(library, model, Path(folder))
            return ProgramSession(model, self.threads, load)
