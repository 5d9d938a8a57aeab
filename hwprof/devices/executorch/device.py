"""The device `executorch-cpu`: options, identity, and opening a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.devices.executorch.runtime import (
    NATIVE,
    XNNPACK,
    import_compiler,
    import_runtime,
    runtime_build,
    runtime_version,
)
from hwprof.devices.options import chosen, refuse_unknown, threads_of
from hwprof.devices.program import ProgramSession
from hwprof.errors import DeviceError
from hwprof.machine.host import hardware
from hwprof.models.base import Model
from hwprof.models.formats import refuse_other_formats

BACKENDS: Mapping[str, str] = {"xnnpack": XNNPACK, "portable": NATIVE}
PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True, slots=True)
class ExecuTorchCpu(Device):
    """ExecuTorch's runtime in this process, through the binding that its wheel carries.

    A model is exported, lowered and loaded when it is opened: all of that is set-up time, and on
    a phone only the loading would be. `threads` sizes the runtime's thread pool, the calling
    thread included. `backend` is `xnnpack`, which delegates every operator that XNNPACK takes and
    leaves the others to the runtime's own kernels, or `portable`, which delegates nothing.
    `precision` int8 quantises weights (per channel) and activations (per tensor) statically,
    calibrated on random inputs: right for latency, not for accuracy.

    Inputs are handed over without a copy: programs are lowered so that the caller owns them, as a
    caller in C++ would do. Outputs stay in the program's memory while it is timed.
    """

    threads: int = 1
    backend: str = "xnnpack"
    precision: str = "fp32"

    @classmethod
    def availability(cls) -> Availability:
        for package in ("executorch", "torch"):
            if find_spec(package) is None:
                return Availability(
                    False,
                    f"{package} is not installed; install it with pip install 'hwprof[executorch]'",
                )
        return Availability(True)

    @classmethod
    def create(cls, options: Mapping[str, str]) -> ExecuTorchCpu:
        refuse_unknown(options, "executorch-cpu", ("threads", "backend", "precision"))
        return cls(
            threads_of(options),
            chosen(options, "backend", BACKENDS, "xnnpack"),
            chosen(options, "precision", PRECISIONS, "fp32"),
        )

    @property
    def spec(self) -> DeviceSpec:
        import_runtime()
        return DeviceSpec(
            name="executorch-cpu",
            hardware=hardware(),
            runtime="executorch",
            runtime_version=runtime_version(),
            runtime_build=runtime_build(),
            provider=BACKENDS[self.backend],
            precision=self.precision,
            threads=self.threads,
            options={"backend": self.backend},
        )

    def open(self, model: Model) -> ProgramSession:
        refuse_other_formats(model, ("onnx", "torch"), "executorch-cpu")
        runtime = import_runtime()
        if self.backend == "xnnpack" and not runtime._is_available(XNNPACK):
            raise DeviceError(
                "this build of executorch lacks XNNPACK; "
                "use backend=portable, or install the wheel of its authors"
            )
        # Imported here, before the clock of the set-up starts: the compiler takes seconds.
        import_compiler()
        from hwprof.devices.executorch.session import ExecuTorchSession

        return ExecuTorchSession(runtime, model, self.threads, self.backend, self.precision)
