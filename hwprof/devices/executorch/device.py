"""The device `executorch-cpu`: options, identity, and opening a model."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hwprof.devices.base import Availability
from hwprof.devices.declared import DeclaredDevice, Runtime, installed
from hwprof.devices.executorch.runtime import (
    INSTALL,
    NATIVE,
    XNNPACK,
    import_compiler,
    import_runtime,
    runtime_build,
    runtime_version,
)
from hwprof.devices.memory import ProcessMemory
from hwprof.devices.options import choice, thread_count
from hwprof.devices.program import ProgramSession
from hwprof.devices.scratch import scratch_folder
from hwprof.errors import DeviceError
from hwprof.models.base import Model, ModelFormat

BACKENDS: Mapping[str, str] = {"xnnpack": XNNPACK, "portable": NATIVE}


@dataclass(frozen=True, slots=True)
class ExecuTorchCpu(DeclaredDevice):
    """ExecuTorch's runtime in this process, through the binding that its wheel carries.

    A model is exported, lowered and loaded when it is opened: all of that is set-up time, and on
    a phone only the loading would be. `threads` sizes the runtime's thread pool, the calling
    thread included. `backend` is `xnnpack`, which delegates every operator that XNNPACK takes and
    leaves the others to the runtime's own kernels, or `portable`, which delegates nothing.
    `precision` int8 quantises weights (per channel) and activations (per tensor) statically,
    calibrated on the inputs that are timed: right for latency, not for accuracy.

    Inputs are handed over without a copy: programs are lowered so that the caller owns them, as a
    caller in C++ would do. Outputs stay in the program's memory while it is timed.
    """

    NAME: ClassVar[str] = "executorch-cpu"
    OPENS: ClassVar[tuple[ModelFormat, ...]] = ("onnx", "torch")

    threads: int = thread_count("threads of the runtime's pool, the calling one included")
    backend: str = choice("xnnpack", BACKENDS, "what operators are delegated to")
    precision: str = choice("fp32", ("fp32", "int8"), "int8 quantises statically, for latency only")

    @classmethod
    def availability(cls) -> Availability:
        return installed(INSTALL, "executorch", "torch")

    def runtime(self) -> Runtime:
        import_runtime()
        return Runtime("executorch", runtime_version(), runtime_build(), BACKENDS[self.backend])

    def open_model(self, model: Model) -> ProgramSession:
        runtime = import_runtime()
        if self.backend == "xnnpack" and not runtime._is_available(XNNPACK):
            raise DeviceError(
                "this build of executorch lacks XNNPACK; "
                "use backend=portable, or install the wheel of its authors"
            )
        # Imported here, before the clock of the set-up starts: the compiler takes seconds.
        import_compiler()
        from hwprof.devices.executorch.program import ExecuTorchProgram, lowered

        memory = ProcessMemory()
        with ExitStack() as owned:
            folder = Path(owned.enter_context(scratch_folder()))

            def load() -> ExecuTorchProgram:
                program = lowered(runtime, model, self.backend, self.precision, folder)
                # A compiler that takes half a gigabyte ran in this process before the model does.
                memory.start_after("lowering")
                return ExecuTorchProgram(runtime, program, self.threads)

            return ProgramSession(model, self.threads, load, memory=memory, owned=owned.pop_all())
