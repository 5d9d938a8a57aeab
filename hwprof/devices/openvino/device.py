"""The device `openvino-cpu`: options, identity, and opening a model."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.devices.openvino.runtime import INSTALL, import_runtime
from hwprof.devices.openvino.settings import PRECISIONS, TARGET, Settings, refuse_unsupported
from hwprof.devices.options import chosen, refuse_unknown, threads_of
from hwprof.devices.program import ProgramSession
from hwprof.errors import OptionError
from hwprof.machine.host import hardware
from hwprof.models.base import Model
from hwprof.models.formats import refuse_other_formats

NAME = "openvino-cpu"
HINTS = ("latency", "throughput")


@dataclass(frozen=True, slots=True)
class OpenVinoCpu(Device):
    """OpenVINO's CPU plugin.

    `threads` counts inference threads, all of them in one stream. `precision` is what
    floating-point kernels compute in: fp32 unless asked otherwise, although OpenVINO by itself
    takes bf16 where the processor has it. A quantised (QDQ) model runs in int8 whatever
    `precision` says of the rest of it. `hint` is OpenVINO's performance hint.
    """

    threads: int = 1
    precision: str = "fp32"
    hint: str = "latency"

    @classmethod
    def availability(cls) -> Availability:
        if importlib.util.find_spec("openvino") is None:
            return Availability(False, f"openvino is not installed; {INSTALL}")
        return Availability(True)

    @classmethod
    def create(cls, options: Mapping[str, str]) -> OpenVinoCpu:
        refuse_unknown(options, NAME, ("threads", "precision", "hint"))
        if options.get("precision") == "int8":
            raise OptionError(
                "openvino-cpu quantises no model; give it a quantised (QDQ) one, "
                "which runs in int8 with precision=fp32"
            )
        precision = chosen(options, "precision", PRECISIONS, "fp32")
        return cls(threads_of(options), precision, chosen(options, "hint", HINTS, "latency"))

    @property
    def spec(self) -> DeviceSpec:
        runtime = import_runtime()
        refuse_unsupported(runtime.Core(), self.precision)
        version, _, build = str(runtime.get_version()).partition("-")
        return DeviceSpec(
            name=NAME,
            hardware=hardware(),
            runtime="openvino",
            runtime_version=version,
            runtime_build=build or version,
            provider=TARGET,
            precision=self.precision,
            threads=self.threads,
            options={"hint": self.hint},
        )

    def open(self, model: Model) -> ProgramSession:
        # Imported here: listing devices needs none of it.
        from hwprof.devices.openvino.program import OpenVinoProgram

        refuse_other_formats(model, "onnx", NAME)
        core = import_runtime().Core()
        refuse_unsupported(core, self.precision)
        settings = Settings(self.threads, self.precision, self.hint)
        return ProgramSession(model, self.threads, lambda: OpenVinoProgram(core, model, settings))
