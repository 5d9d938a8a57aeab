"""The device `mnn-cpu`: identity, and opening a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from hwprof.convert.mnn.conversion import converted
from hwprof.devices.base import Availability
from hwprof.devices.converting import FP16_FLAG, ConvertingDevice
from hwprof.devices.declared import Runtime
from hwprof.devices.mnn.runtime import availability, import_runtime, runtime_build
from hwprof.devices.program import Program
from hwprof.machine.host import hardware
from hwprof.models.base import Model

# MNN's own word for each of our precisions. Its "low" is 16 bits only where the processor has
# arithmetic for them, and 32 bits without a word elsewhere.
PRECISIONS: Mapping[str, str] = {"fp32": "high", "fp16": "low"}


@dataclass(frozen=True, slots=True)
class MnnCpu(ConvertingDevice):
    """MNN's CPU backend, running an ONNX model that MNN's converter has converted."""

    NAME: ClassVar[str] = "mnn-cpu"
    TITLE: ClassVar[str] = "MNN"

    @classmethod
    def availability(cls) -> Availability:
        return availability()

    def library(self) -> ModuleType:
        return import_runtime()

    def has_fp16(self, library: ModuleType) -> bool:
        return FP16_FLAG in hardware().isa

    def runtime(self) -> Runtime:
        library = self.usable()
        return Runtime("mnn", str(library.version()), runtime_build(library), "CPU")

    def converted(self, library: ModuleType, model: Model, folder: Path) -> Callable[[], Program]:
        # Imported here: they need onnx and NumPy, which listing devices does not.
        from hwprof.convert.mnn.file import read_operators
        from hwprof.devices.mnn.program import MnnProgram

        file = converted(model, folder)
        operators, precision = read_operators(file), PRECISIONS[self.precision]
        return lambda: MnnProgram(library, model, file, operators, self.threads, precision)
