"""The device `onnxruntime-cpu`: options, identity, and opening a model."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from hwprof.devices.base import Availability
from hwprof.devices.declared import DeclaredDevice, Runtime
from hwprof.devices.onnxruntime.custom import library_options, operator_library
from hwprof.devices.onnxruntime.runtime import (
    import_runtime,
    memory_advice,
    named_types,
    out_of_memory,
    short_reason,
)
from hwprof.devices.options import choice, switch, thread_count
from hwprof.devices.program import ProgramSession
from hwprof.devices.scratch import scratch_folder
from hwprof.errors import DeviceError, MeasurementError, ModelError, OptionError
from hwprof.models.advice import to_open
from hwprof.models.base import Model

PROVIDER = "CPUExecutionProvider"
LEVELS: Mapping[str, str] = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


@dataclass(frozen=True, slots=True)
class OnnxRuntimeCpu(DeclaredDevice):
    """ONNX Runtime's CPU execution provider.

    `threads` counts intra-op threads (operators run one after another), `level` is the graph
    optimisation level, `spin` whether idle threads spin, as ONNX Runtime does by default.
    `precision` is `native` (the types that the model has), or `fp16` or `int8`: the model is then
    converted by ONNX Runtime's own tools before it is opened (hwprof.convert.precision).
    `library` (`custom_ops`) holds operators of one's own, which the model uses.
    """

    NAME: ClassVar[str] = "onnxruntime-cpu"

    threads: int = thread_count("threads of an operator")
    level: str = choice("all", LEVELS, "graph optimisation level", name="opt")
    spin: bool = switch(True, "whether idle threads spin")
    precision: str = choice("native", ("native", "fp16", "int8"), "the model's, or a conversion's")
    library: Path | None = operator_library()  # noqa: RUF009 - it makes a field

    @classmethod
    def availability(cls) -> Availability:
        try:
            runtime = import_runtime()
        except DeviceError as error:
            return Availability(False, str(error))
        if PROVIDER not in runtime.get_available_providers():
            return Availability(False, f"this build of onnxruntime lacks the {PROVIDER}")
        return Availability(True)

    def check(self) -> None:
        if self.library is not None and self.precision != "native":
            raise OptionError(
                "custom_ops needs precision=native, because the tools that convert a model do not "
                "know operators of a library; convert the model yourself"
            )

    def runtime(self) -> Runtime:
        runtime = import_runtime()
        build = f"{runtime.get_build_info()}, {platform.libc_ver()[0] or 'libc'}"
        options = library_options(self.library)
        return Runtime("onnxruntime", str(runtime.__version__), build, PROVIDER, options=options)

    def open_model(self, model: Model) -> ProgramSession:
        # Imported here: the session module needs onnx, which listing devices does not.
        from hwprof.devices.onnxruntime.session import OnnxRuntimeProgram, session_options

        runtime = import_runtime()
        settings = (LEVELS[self.level], self.threads, self.spin)
        options = session_options(runtime, *settings, self.library)

        with ExitStack() as owned:
            if self.precision != "native":
                # Conversion is no part of opening: whoever deploys the model has done it before.
                from hwprof.convert.precision import in_precision

                folder = Path(owned.enter_context(scratch_folder()))
                path = in_precision(model, self.precision, folder)
                model = replace(model, path=path)

            def load() -> OnnxRuntimeProgram:
                opened = opened_on_cpu(runtime, model, options)
                return OnnxRuntimeProgram(runtime, model, settings, PROVIDER, opened, self.library)

            return ProgramSession(model, self.threads, load, owned=owned.pop_all())


def opened_on_cpu(runtime: ModuleType, model: Model, options: Any) -> Any:
    """An InferenceSession on the CPU. Raises ModelError, DeviceError or MeasurementError."""
    try:
        opened = runtime.InferenceSession(str(model.path), options, providers=[PROVIDER])
    except Exception as error:  # the binding raises a dozen types with no common base
        if out_of_memory(error):
            raise MeasurementError(memory_advice(model.path.name)) from error
        advice = to_open(
            str(error), "export it for operators and an operator set that this version supports"
        )
        reason = named_types(short_reason(error), str(error), model.path)
        raise ModelError(
            f"onnxruntime {runtime.__version__} cannot open '{model.path.name}': {reason}; {advice}"
        ) from error
    first = opened.get_providers()[0]
    if first != PROVIDER:
        raise DeviceError(f"onnxruntime chose {first} instead of {PROVIDER}; install the CPU build")
    return opened
