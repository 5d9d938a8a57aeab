"""The device `onnxruntime-cpu`: options, identity, and opening a model."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device, Model
from hwprof.devices.host import hardware, reset_peak_rss, rss_bytes
from hwprof.devices.host.process import peak_reset_obstacle
from hwprof.devices.onnxruntime.runtime import (
    import_runtime,
    memory_advice,
    out_of_memory,
    short_reason,
)
from hwprof.errors import DeviceError, MeasurementError, ModelError, OptionError

if TYPE_CHECKING:
    from hwprof.devices.onnxruntime.session import OnnxRuntimeSession

PROVIDER = "CPUExecutionProvider"
LEVELS: Mapping[str, str] = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
MAX_THREADS = 1024


@dataclass(frozen=True, slots=True)
class OnnxRuntimeCpu(Device):
    """ONNX Runtime's CPU execution provider.

    `threads` counts intra-op threads (operators run one after another), `level` is the graph
    optimisation level, `spin` whether idle threads spin, as ONNX Runtime does by default.
    """

    threads: int = 1
    level: str = "all"
    spin: bool = True

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
        unknown = sorted(set(options) - {"threads", "opt", "spin"})
        if unknown:
            raise OptionError(
                f"device onnxruntime-cpu has no option '{unknown[0]}'; it has threads, opt and spin"
            )
        threads = options.get("threads", "1")
        if not threads.isdecimal() or not 1 <= int(threads) <= MAX_THREADS:
            raise OptionError(
                f"threads must be a whole number from 1 to {MAX_THREADS}, got '{threads}'; "
                "try threads=1"
            )
        level = options.get("opt", "all")
        if level not in LEVELS:
            raise OptionError(f"opt must be one of {', '.join(LEVELS)}, got '{level}'")
        spin = options.get("spin", "on")
        if spin not in ("on", "off"):
            raise OptionError(f"spin must be on or off, got '{spin}'")
        return cls(int(threads), level, spin == "on")

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
            precision="native",  # ONNX Runtime runs the types that the model has
            threads=self.threads,
            options={"opt": self.level, "spin": "on" if self.spin else "off"},
        )

    def open(self, model: Model) -> OnnxRuntimeSession:
        # Imported here: the session module needs onnx, which listing devices does not.
        from hwprof.devices.onnxruntime.session import OnnxRuntimeSession, session_options

        runtime = import_runtime()
        settings = (LEVELS[self.level], self.threads, self.spin)
        options = session_options(runtime, *settings)
        was_reset, baseline = reset_peak_rss(), rss_bytes()
        start = time.perf_counter()
        try:
            opened = runtime.InferenceSession(str(model.path), options, providers=[PROVIDER])
        except Exception as error:  # the binding raises a dozen types with no common base
            if out_of_memory(error):
                raise MeasurementError(memory_advice(model.path.name)) from error
            raise ModelError(
                f"onnxruntime {runtime.__version__} cannot open '{model.path.name}': "
                f"{short_reason(error)}; export it for operators and an operator set that this "
                "version supports"
            ) from error
        setup_s = time.perf_counter() - start
        first = opened.get_providers()[0]
        if first != PROVIDER:
            raise DeviceError(
                f"onnxruntime chose {first} instead of {PROVIDER}; install the CPU build"
            )
        # A peak that could not be reset may date from before the model: no baseline fits it.
        before = (baseline.bytes, baseline.reason) if was_reset else (None, peak_reset_obstacle())
        return OnnxRuntimeSession(runtime, model, settings, PROVIDER, opened, setup_s, before)
