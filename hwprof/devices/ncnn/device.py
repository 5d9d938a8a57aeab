"""The device `ncnn-cpu`: options, identity, and opening a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.devices.ncnn.runtime import availability, converted, import_runtime
from hwprof.devices.options import chosen, refuse_unknown, threads_of
from hwprof.devices.program import ProgramSession
from hwprof.devices.scratch import scratch_folder
from hwprof.errors import DeviceError
from hwprof.machine.host import hardware
from hwprof.models.base import Model
from hwprof.models.formats import refuse_other_formats

NAME = "ncnn-cpu"
PRECISIONS = ("fp32", "fp16")


@dataclass(frozen=True, slots=True)
class NcnnCpu(Device):
    """ncnn's CPU layers, running an ONNX model that pnnx has converted.

    `precision` is that of storage and arithmetic: fp32, or fp16 on ARM processors that have it.
    """

    threads: int = 1
    precision: str = "fp32"

    @classmethod
    def availability(cls) -> Availability:
        return availability()

    @classmethod
    def create(cls, options: Mapping[str, str]) -> NcnnCpu:
        refuse_unknown(options, NAME, ("threads", "precision"))
        return cls(threads_of(options), chosen(options, "precision", PRECISIONS, "fp32"))

    @property
    def spec(self) -> DeviceSpec:
        runtime = import_runtime()
        check_precision(self.precision, runtime)
        return DeviceSpec(
            name=NAME,
            hardware=hardware(),
            runtime="ncnn",
            runtime_version=str(runtime.__version__),
            # The converter decides what is fused: it is as much a part of the speed as ncnn.
            runtime_build=f"pnnx {_converter_version()}",
            provider="CPU",
            precision=self.precision,
            threads=self.threads,
            options={},
        )

    def open(self, model: Model) -> ProgramSession:
        # Imported here: it needs onnx and NumPy, which listing devices does not.
        from hwprof.devices.ncnn.program import NcnnProgram

        refuse_other_formats(model, "onnx", NAME)
        runtime = import_runtime()
        check_precision(self.precision, runtime)
        with scratch_folder() as folder:
            files = converted(runtime, model, Path(folder))

            def load() -> NcnnProgram:
                return NcnnProgram(runtime, model, files, self.threads, self.precision == "fp16")

            return ProgramSession(model, self.threads, load)


def check_precision(precision: str, runtime: ModuleType) -> None:
    """Raise DeviceError for a precision that ncnn would silently replace by fp32."""
    if precision == "fp16" and not runtime.cpu_support_arm_asimdhp():
        raise DeviceError(
            "ncnn computes in fp32 on this processor, whatever is asked of it: its fp16 needs an "
            "ARM processor with asimdhp; use precision=fp32"
        )


def _converter_version() -> str:
    try:
        return version("pnnx")
    except PackageNotFoundError:
        return "of unknown version"
