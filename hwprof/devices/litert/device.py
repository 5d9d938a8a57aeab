"""The device `litert-cpu`: options, identity, and opening a model."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.devices.litert.runtime import build, version
from hwprof.devices.options import chosen, refuse_unknown, threads_of
from hwprof.devices.program import ProgramSession
from hwprof.machine.host import hardware
from hwprof.models.base import Model
from hwprof.models.formats import refuse_other_formats
from hwprof.models.tflite.runtime import INSTALL, PACKAGE, import_runtime

NAME = "litert-cpu"
DELEGATES: Mapping[str, str] = {"xnnpack": "XNNPACK", "none": "LiteRT builtin kernels"}


@dataclass(frozen=True, slots=True)
class LiteRtCpu(Device):
    """LiteRT's interpreter on the CPU.

    `threads` counts the threads of a kernel (operators run one after another). `delegate` is
    XNNPACK, as LiteRT has it by default, or none: its own kernels. What XNNPACK lacks its own
    kernels compute in either case, and a profile says which. Precision is the model's.

    LiteRT models (.tflite) are run as they are. ONNX models are converted before the set-up time
    starts, to what an exporter would make of them: batch normalisation, biases and clamps folded
    in, images with the channels last, at the model's border too. So no transpose at the border is
    timed; one in the model's middle that ONNX does not have is.
    """

    threads: int = 1
    delegate: str = "xnnpack"

    @classmethod
    def availability(cls) -> Availability:
        if importlib.util.find_spec(PACKAGE) is None:
            return Availability(False, f"ai-edge-litert is not installed; {INSTALL}")
        return Availability(True)

    @classmethod
    def create(cls, options: Mapping[str, str]) -> LiteRtCpu:
        refuse_unknown(options, NAME, ("threads", "delegate"))
        return cls(threads_of(options), chosen(options, "delegate", DELEGATES, "xnnpack"))

    @property
    def spec(self) -> DeviceSpec:
        import_runtime()
        return DeviceSpec(
            name=NAME,
            hardware=hardware(),
            runtime="litert",
            runtime_version=version(),
            runtime_build=build(),
            provider=DELEGATES[self.delegate],
            precision="native",  # the types that the model has
            threads=self.threads,
            options={"delegate": self.delegate},
        )

    def open(self, model: Model) -> ProgramSession:
        # Imported here: listing devices does not need them.
        from hwprof.devices.litert.program import LiteRtProgram
        from hwprof.devices.litert.source import source_of

        refuse_other_formats(model, ("onnx", "tflite"), NAME)
        runtime = import_runtime()
        source = source_of(model)

        def load() -> LiteRtProgram:
            return LiteRtProgram(runtime, model, source, self.threads, self.delegate == "xnnpack")

        try:
            return ProgramSession(model, self.threads, load)
        except BaseException:
            source.close()
            raise
