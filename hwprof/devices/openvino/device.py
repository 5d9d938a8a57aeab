"""The device `openvino-cpu`: options, identity, and opening a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from hwprof.devices.base import Availability
from hwprof.devices.declared import DeclaredDevice, Runtime, installed
from hwprof.devices.openvino.runtime import INSTALL, import_runtime
from hwprof.devices.openvino.settings import PRECISIONS, TARGET, Settings, refuse_unsupported
from hwprof.devices.options import choice, thread_count
from hwprof.devices.program import ProgramSession
from hwprof.errors import OptionError
from hwprof.models.base import Model


@dataclass(frozen=True, slots=True)
class OpenVinoCpu(DeclaredDevice):
    """OpenVINO's CPU plugin.

    `threads` counts inference threads, all of them in one stream. `precision` is what
    floating-point kernels compute in: fp32 unless asked otherwise, although OpenVINO by itself
    takes bf16 where the processor has it. A quantised (QDQ) model runs in int8 whatever
    `precision` says of the rest of it. `hint` is OpenVINO's performance hint.
    """

    NAME: ClassVar[str] = "openvino-cpu"

    threads: int = thread_count("inference threads, all in one stream")
    precision: str = choice("fp32", PRECISIONS, "what floating-point kernels compute in")
    hint: str = choice("latency", ("latency", "throughput"), "OpenVINO's performance hint")

    @classmethod
    def availability(cls) -> Availability:
        return installed(INSTALL, "openvino")

    @classmethod
    def completed(cls, options: Mapping[str, str]) -> Mapping[str, str]:
        if options.get("precision") == "int8":
            raise OptionError(
                "openvino-cpu quantises no model; give it a quantised (QDQ) one, "
                "which runs in int8 with precision=fp32"
            )
        return options

    def runtime(self) -> Runtime:
        runtime = import_runtime()
        refuse_unsupported(runtime.Core(), self.precision)
        version, _, build = str(runtime.get_version()).partition("-")
        return Runtime("openvino", version, build or version, TARGET)

    def open_model(self, model: Model) -> ProgramSession:
        # Imported here: listing devices needs none of it.
        from hwprof.devices.openvino.program import OpenVinoProgram

        core = import_runtime().Core()
        refuse_unsupported(core, self.precision)
        settings = Settings(self.threads, self.precision, self.hint)
        return ProgramSession(model, self.threads, lambda: OpenVinoProgram(core, model, settings))
