"""The device `onnxruntime-cpu`: options, identity, and opening a model."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.devices.onnxruntime.runtime import (
    import_runtime,
    memory_advice,
    out_of_memory,
    short_reason,
)
from hwprof.devices.options import chosen, refuse_unknown, threads_of
from hwprof.devices.program import ProgramSession
from hwprof.devices.scratch import scratch_folder
from hwprof.errors import DeviceError, MeasurementError, ModelError
from hwprof.machine.host import hardware
from hwprof.models.base import Model
from hwprof.models.formats import refuse_other_formats

PROVIDER = "CPUExecutionProvider"
PRECISIONS = ("native", "fp16", "int8")
LEVELS: Mapping[str, str] = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


@dataclass(frozen=True, slots=True)
class OnnxRuntimeCpu(Device):
    """ONNX Runtime's CPU execution provider.

    `threads` counts intra-op threads (operators run one after another), `level` is the graph
    optimisation level, `spin` whether idle threads spin, as ONNX Runtime does by default.
    `precision` is `native` (the types that the model has), or `fp16` or `int8`: the model is then
    converted by ONNX Runtime's own tools before it is opened (hwprof.convert.precision).
    """

    threads: int = 1
    level: str = "all"
    spin: bool = True
    precision: str = "native"

    @classmethod
    def availability(cls) -> Availability:
        try:
            runtime = import_runtime()
        except DeviceError as error:
            return Availability(False, str(error))
        if PROVIDER not in runtime.get_available_providers():
            return Availability(False, f"this build of onnxruntime lacks the {PROVIDER}")
        return Availability(True)

    @classmethod
    def create(cls, options: Mapping[str, str]) -> OnnxRuntimeCpu:
        refuse_unknown(options, "onnxruntime-cpu", ("threads", "opt", "spin", "precision"))
        level = chosen(options, "opt", LEVELS, "all")
        spin = chosen(options, "spin", ("on", "off"), "on")
        precision = chosen(options, "precision", PRECISIONS, "native")
        return cls(threads_of(options), level, spin == "on", precision)

    @property
    def spec(self) -> DeviceSpec:
        runtime = import_runtime()
        return DeviceSpec(
            name="onnxruntime-cpu",
            hardware=hardware(),
            runtime="onnxruntime",
            runtime_version=str(runtime.__version__),
            runtime_build=f"{runtime.get_build_info()}, {platform.libc_ver()[0] or 'libc'}",
            provider=PROVIDER,
            precision=self.precision,
            threads=self.threads,
            options={"opt": self.level, "spin": "on" if self.spin else "off"},
        )

    def open(self, model: Model) -> ProgramSession:
        # Imported here: the session module needs onnx, which listing devices does not.
        from hwprof.devices.onnxruntime.session import OnnxRuntimeProgram, session_options

        refuse_other_formats(model, "onnx", "onnxruntime-cpu")
        runtime = import_runtime()
        settings = (LEVELS[self.level], self.threads, self.spin)
        options = session_options(runtime, *settings)

        # Conversion is no part of opening: whoever deploys the model has done it before.
        folder = None
        if self.precision != "native":
            from hwprof.convert.precision import in_precision

            folder = scratch_folder()
            path = in_precision(model.path, model.subject, self.precision, Path(folder.name))
            model = replace(model, path=path)

        def load() -> OnnxRuntimeProgram:
            try:
                opened = runtime.InferenceSession(str(model.path), options, providers=[PROVIDER])
            except Exception as error:  # the binding raises a dozen types with no common base
                if out_of_memory(error):
                    raise MeasurementError(memory_advice(model.path.name)) from error
                raise ModelError(
                    f"onnxruntime {runtime.__version__} cannot open '{model.path.name}': "
                    f"{short_reason(error)}; export it for operators and an operator set that "
                    "this version supports"
                ) from error
            first = opened.get_providers()[0]
            if first != PROVIDER:
                raise DeviceError(
                    f"onnxruntime chose {first} instead of {PROVIDER}; install the CPU build"
                )
            return OnnxRuntimeProgram(runtime, model, settings, PROVIDER, opened, folder)

        return ProgramSession(model, self.threads, load)
