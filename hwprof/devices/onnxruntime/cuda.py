"""The devices `onnxruntime-cuda` and `onnxruntime-tensorrt`.

Written for onnxruntime-gpu 1.24 and later. Without a GPU only their refusals have been run.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from hwprof.devices.base import Availability
from hwprof.devices.declared import DeclaredDevice, Runtime
from hwprof.devices.gpu.options import decide_environment, engine_folder, gpu_index
from hwprof.devices.onnxruntime.device import LEVELS
from hwprof.devices.onnxruntime.runtime import import_runtime, provider_library
from hwprof.devices.options import choice, switch
from hwprof.devices.program import ProgramSession
from hwprof.errors import DeviceError
from hwprof.machine.gpu.nvml import obstacle
from hwprof.models.base import Model

CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
OLDEST = (1, 24)
"""The first version that tells which provider got which node."""
TRT_FLAGS: Mapping[str, str] = {
    "fp16": "trt_fp16_enable",
    "bf16": "trt_bf16_enable",
    "int8": "trt_int8_enable",
}
TRT_PRECISIONS = ("fp32", "tf32", *TRT_FLAGS)


@dataclass(frozen=True, slots=True)
class OnnxRuntimeGpu(DeclaredDevice):
    """What both devices have in common.

    `device` is CUDA's number of the GPU. `io` keeps inputs and outputs on the device, or has them
    copied from and to the host in every run. `fallback` accepts that nodes run on the processor.
    """

    PROVIDER: ClassVar[str]
    """ONNX Runtime's name of the execution provider."""

    device: int = gpu_index()
    precision: str = choice("native", ("native", "tf32"), "tf32 rounds the factors of products")
    io: str = choice("device", ("device", "host"), "where inputs and outputs stay")
    fallback: bool = switch(
        False,
        "whether nodes may run on the processor",
        values=("refuse", "allow"),
        yes="allow",
    )

    @classmethod
    def availability(cls) -> Availability:
        # Finding files, not importing: the check is part of every listing.
        found = importlib.util.find_spec("onnxruntime")
        folders = list(found.submodule_search_locations or ()) if found is not None else []
        if not any(provider_library(Path(f), cls.PROVIDER).exists() for f in folders):
            return Availability(
                False,
                "onnxruntime-gpu is not installed; it takes the place of onnxruntime: "
                "pip uninstall onnxruntime, then pip install onnxruntime-gpu 'hwprof[nvml]'",
            )
        reason = obstacle()
        return Availability(not reason, reason)

    def runtime(self) -> Runtime:
        from hwprof.machine.gpu.driver import open_cuda
        from hwprof.machine.gpu.hardware import gpu_hardware

        runtime = gpu_runtime(self.PROVIDER)
        build = f"{runtime.get_build_info()}, CUDA driver {open_cuda().version()}"
        hardware = gpu_hardware(self.device)
        return Runtime("onnxruntime", str(runtime.__version__), build, self.PROVIDER, hardware)


@dataclass(frozen=True, slots=True)
class OnnxRuntimeCuda(OnnxRuntimeGpu):
    """ONNX Runtime's CUDA execution provider.

    `precision` is `native`, the types that the model has, or `tf32`, which rounds the factors of
    fp32 products. `level` and `conv` are the graph optimisation level and the search for
    convolution algorithms. With `launch=blocking` each kernel launch waits for its kernel, which
    is slower, and makes per-kernel times: without it ONNX Runtime times the launches alone.
    """

    NAME: ClassVar[str] = "onnxruntime-cuda"
    PROVIDER: ClassVar[str] = CUDA

    level: str = choice("all", LEVELS, "graph optimisation level", name="opt")
    conv: str = choice(
        "exhaustive", ("exhaustive", "heuristic", "default"), "search for convolution algorithms"
    )
    launch: str = choice("async", ("async", "blocking"), "blocking waits for each kernel")

    def open_model(self, model: Model) -> ProgramSession:
        from hwprof.devices.onnxruntime.gpu_program import OnnxRuntimeGpuProgram
        from hwprof.machine.gpu.hardware import NvidiaGpu

        decide_environment("CUDA_LAUNCH_BLOCKING", "1" if self.launch == "blocking" else None)
        runtime = gpu_runtime(CUDA)
        accelerator = NvidiaGpu(self.device, self.precision)
        profiles = (
            ""
            if self.launch == "blocking"
            else "onnxruntime times the launches of kernels, not the kernels; measure with "
            "onnxruntime-cuda:launch=blocking for per-kernel times, or use --no-per-op"
        )

        def load() -> OnnxRuntimeGpuProgram:
            return OnnxRuntimeGpuProgram(
                runtime,
                model,
                LEVELS[self.level],
                CUDA,
                {
                    "device_id": str(self.device),
                    "use_tf32": "1" if self.precision == "tf32" else "0",
                    "cudnn_conv_algo_search": self.conv.upper(),
                },
                index=self.device,
                place="cuda" if self.io == "device" else None,
                fallback=self.fallback,
                profiles=profiles,
            )

        return ProgramSession(model, 1, load, accelerator=accelerator)


@dataclass(frozen=True, slots=True)
class OnnxRuntimeTensorRt(OnnxRuntimeGpu):
    """ONNX Runtime's TensorRT execution provider.

    `precision` is the least that TensorRT may use where it finds that faster: it is free to keep
    layers in fp32. `engines` is a folder to keep built engines in, empty for none.
    """

    NAME: ClassVar[str] = "onnxruntime-tensorrt"
    PROVIDER: ClassVar[str] = TENSORRT

    precision: str = choice("fp32", TRT_PRECISIONS, "the least that TensorRT may use")
    engines: str = engine_folder()

    def provider_options(self, model: Model, open_inputs: bool) -> dict[str, str]:
        """The provider's settings for `model`; `open_inputs` says that its file leaves shapes
        open, which are then fixed before the engine is built."""
        options = {"device_id": str(self.device)}
        options |= dict.fromkeys(TRT_FLAGS.values(), "0")
        if self.precision in TRT_FLAGS:
            options[TRT_FLAGS[self.precision]] = "1"
        if self.engines:
            # One engine serves one model in one precision.
            folder = Path(self.engines, f"{model.subject.sha256[:16]}-{self.precision}")
            folder.mkdir(parents=True, exist_ok=True)
            options |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder)}
        if open_inputs:
            inputs = model.subject.inputs
            shapes = ",".join(f"{t.name}:{'x'.join(map(str, t.shape))}" for t in inputs)
            options |= {f"trt_profile_{kind}_shapes": shapes for kind in ("min", "opt", "max")}
        return options

    def open_model(self, model: Model) -> ProgramSession:
        from hwprof.devices.onnxruntime.gpu_program import OnnxRuntimeGpuProgram
        from hwprof.machine.gpu.hardware import NvidiaGpu
        from hwprof.models.onnx.file import read_structure
        from hwprof.models.onnx.types import check_types, open_inputs

        proto = read_structure(model.path)
        check_types(proto, self.precision, model.path.name)
        # TensorRT uses TF32 unless told otherwise, and the provider has no option for it.
        decide_environment("NVIDIA_TF32_OVERRIDE", None if self.precision == "tf32" else "0")
        runtime = gpu_runtime(TENSORRT)
        accelerator = NvidiaGpu(self.device, self.precision)
        options = self.provider_options(model, bool(open_inputs(proto)))

        def load() -> OnnxRuntimeGpuProgram:
            return OnnxRuntimeGpuProgram(
                runtime,
                model,
                LEVELS["all"],
                TENSORRT,
                options,
                index=self.device,
                place="cuda" if self.io == "device" else None,
                fallback=self.fallback,
                profiles="onnxruntime runs TensorRT's whole graph as one node; measure on the "
                "device tensorrt for its layers, or use --no-per-op",
            )

        return ProgramSession(model, 1, load, accelerator=accelerator)


def gpu_runtime(provider: str) -> ModuleType:
    """ONNX Runtime with `provider` in it. Raises DeviceError."""
    runtime = import_runtime()
    if provider not in runtime.get_available_providers():
        raise DeviceError(
            f"this build of onnxruntime lacks the {provider}; "
            "pip uninstall onnxruntime, then pip install onnxruntime-gpu"
        )
    if tuple(int(n) for n in runtime.__version__.split(".")[:2]) < OLDEST:
        raise DeviceError(
            f"onnxruntime {runtime.__version__} does not tell which nodes it left to the "
            "processor; install onnxruntime-gpu 1.24 or later"
        )
    # CUDA from pip lies where the dynamic linker does not look. It prints what it does not find;
    # what is really missing, the provider itself will say.
    with contextlib.redirect_stdout(io.StringIO()):
        runtime.preload_dlls()
    return runtime
