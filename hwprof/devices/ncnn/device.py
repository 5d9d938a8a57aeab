"""The device `ncnn-cpu`: identity, and opening a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from hwprof.convert.ncnn.conversion import INSTALL, converted
from hwprof.devices.base import Availability
from hwprof.devices.converting import ConvertingDevice
from hwprof.devices.declared import Runtime, installed
from hwprof.devices.ncnn.runtime import import_runtime
from hwprof.devices.program import Program
from hwprof.models.base import Model


@dataclass(frozen=True, slots=True)
class NcnnCpu(ConvertingDevice):
    """ncnn's CPU layers, running an ONNX model that pnnx has converted."""

    NAME: ClassVar[str] = "ncnn-cpu"
    TITLE: ClassVar[str] = "ncnn"

    @classmethod
    def availability(cls) -> Availability:
        return installed(INSTALL, "ncnn", "pnnx")

    def library(self) -> ModuleType:
        return import_runtime()

    def has_fp16(self, library: ModuleType) -> bool:
        return bool(library.cpu_support_arm_asimdhp())

    def runtime(self) -> Runtime:
        library = self.usable()
        # The converter decides what is fused: it is as much a part of the speed as ncnn.
        return Runtime("ncnn", str(library.__version__), f"pnnx {_converter_version()}", "CPU")

    def converted(self, library: ModuleType, model: Model, folder: Path) -> Callable[[], Program]:
        # Imported here: it needs onnx and NumPy, which listing devices does not.
        from hwprof.devices.ncnn.program import NcnnProgram

        files = converted(library, model, folder)
        return lambda: NcnnProgram(library, model, files, self.threads, self.precision == "fp16")


def _converter_version() -> str:
    try:
        return version("pnnx")
    except PackageNotFoundError:
        return "of unknown version"
