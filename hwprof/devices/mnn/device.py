"""The device `mnn-cpu`: options, identity, and opening a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.devices.mnn.runtime import (
    availability,
    converted,
    import_runtime,
    runtime_build,
)
from hwprof.devices.options import chosen, refuse_unknown, threads_of
from hwprof.devices.program import ProgramSession
from hwprof.devices.scratch import scratch_folder
from hwprof.errors import DeviceError
from hwprof.machine.host import hardware
from hwprof.models.base import Model
from hwprof.models.formats import refuse_other_formats

NAME = "mnn-cpu"
# MNN's own word for each of our precisions. Its "low" is 16 bits only where the processor has
# arithmetic for them, and 32 bits without a word elsewhere.
PRECISIONS: Mapping[str, str] = {"fp32": "high", "fp16": "low"}
FP16_FLAG = "asimdhp"


@dataclass(frozen=True, slots=True)
class MnnCpu(Device):
    """MNN's CPU backend, running an ONNX model that MNN's converter has converted.

    `precision` is that of the arithmetic: fp32, or fp16 on ARM processors that have it.
    """

    threads: int = 1
    precision: str = "fp32"

    @classmethod
    def availability(cls) -> Availability:
        return availability()

    @classmethod
    def create(cls, options: Mapping[str, str]) -> MnnCpu:
        refuse_unknown(options, NAME, ("threads", "precision"))
        return cls(threads_of(options), chosen(options, "precision", PRECISIONS, "fp32"))

    @property
    def spec(self) -> DeviceSpec:
        runtime = import_runtime()
        machine = hardware()
        check_precision(self.precision, machine.isa)
        return DeviceSpec(
            name=NAME,
            hardware=machine,
            runtime="mnn",
            runtime_version=str(runtime.version()),
            runtime_build=runtime_build(runtime),
            provider="CPU",
            precision=self.precision,
            threads=self.threads,
            options={},
        )

    def open(self, model: Model) -> ProgramSession:
        # Imported here: they need onnx and NumPy, which listing devices does not.
        from hwprof.devices.mnn.file import read_operators
        from hwprof.devices.mnn.program import MnnProgram

        refuse_other_formats(model, "onnx", NAME)
        runtime = import_runtime()
        check_precision(self.precision, hardware().isa)
        with scratch_folder() as folder:
            file = converted(model, Path(folder))
            operators = read_operators(file)

            def load() -> MnnProgram:
                precision = PRECISIONS[self.precision]
                return MnnProgram(runtime, model, file, operators, self.threads, precision)

            return ProgramSession(model, self.threads, load)


def check_precision(precision: str, isa: tuple[str, ...]) -> None:
    """Raise DeviceError for a precision that MNN would silently replace by fp32."""
    if precision == "fp16" and FP16_FLAG not in isa:
        raise DeviceError(
            "MNN computes in fp32 on this processor, whatever is asked of it: its fp16 needs an "
            f"ARM processor with {FP16_FLAG}; use precision=fp32"
        )
