"""The device `litert-cpu`: options, identity, and opening a model."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from hwprof.devices.base import Availability
from hwprof.devices.declared import DeclaredDevice, Runtime, installed
from hwprof.devices.litert.runtime import build, version
from hwprof.devices.options import choice, thread_count
from hwprof.devices.program import ProgramSession
from hwprof.models.base import Model, ModelFormat
from hwprof.models.tflite.runtime import INSTALL, PACKAGE, import_runtime

DELEGATES: Mapping[str, str] = {"xnnpack": "XNNPACK", "none": "LiteRT builtin kernels"}


@dataclass(frozen=True, slots=True)
class LiteRtCpu(DeclaredDevice):
    """LiteRT's interpreter on the CPU.

    `threads` counts the threads of a kernel (operators run one after another). `delegate` is
    XNNPACK, as LiteRT has it by default, or none: its own kernels. What XNNPACK lacks its own
    kernels compute in either case, and a profile says which. Precision is the model's.

    LiteRT models (.tflite) are run as they are. ONNX models are converted before the set-up time
    starts, to what an exporter would make of them: batch normalisation, biases and clamps folded
    in, images with the channels last, at the model's border too. So no transpose at the border is
    timed; one in the model's middle that ONNX does not have is.
    """

    NAME: ClassVar[str] = "litert-cpu"
    OPENS: ClassVar[tuple[ModelFormat, ...]] = ("onnx", "tflite")

    threads: int = thread_count("threads of a kernel")
    delegate: str = choice("xnnpack", DELEGATES, "whose kernels compute what both have")

    @classmethod
    def availability(cls) -> Availability:
        return installed(INSTALL, PACKAGE)

    def runtime(self) -> Runtime:
        import_runtime()
        return Runtime("litert", version(), build(), DELEGATES[self.delegate])

    def open_model(self, model: Model) -> ProgramSession:
        # Imported here: listing devices does not need them.
        from hwprof.devices.litert.program import LiteRtProgram
        from hwprof.devices.litert.source import source_of

        runtime = import_runtime()
        source = source_of(model)
        with ExitStack() as owned:
            owned.callback(source.close)

            def load() -> LiteRtProgram:
                xnnpack = self.delegate == "xnnpack"
                return LiteRtProgram(runtime, model, source, self.threads, xnnpack)

            return ProgramSession(model, self.threads, load, owned=owned.pop_all())
