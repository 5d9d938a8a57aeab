"""The device `tensorrt`: options, identity, and opening a model.

Written against the documented interface of TensorRT 10 and 11, and run only against a stand-in
for it: the package's libraries could not be had where it was written.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hwprof.devices.base import Availability
from hwprof.devices.declared import DeclaredDevice, Runtime
from hwprof.devices.gpu.options import cold_cache, decide_environment, engine_folder, gpu_index
from hwprof.devices.options import choice
from hwprof.devices.program import ProgramSession
from hwprof.devices.tensorrt.runtime import import_runtime
from hwprof.machine.gpu.nvml import obstacle
from hwprof.models.base import Model

# Not from the building module: that needs onnx, which listing devices does not.
PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "int8", "typed")


@dataclass(frozen=True, slots=True)
class TensorRt(DeclaredDevice):
    """TensorRT's own builder and runtime.

    `device` is CUDA's number of the GPU. `precision`: `fp32`, `tf32` (fp32 with rounded factors),
    `fp16`, `bf16`, `int8` (the least that TensorRT may use where it finds that faster), or
    `typed`, the types of the model itself. `cold` flushes the level-2 cache before each run.
    `engines` is a folder to keep built engines in, empty for none.
    """

    NAME: ClassVar[str] = "tensorrt"

    device: int = gpu_index()
    precision: str = choice("fp32", PRECISIONS, "the least that TensorRT may use, or typed")
    cold: bool = cold_cache()
    engines: str = engine_folder()

    @classmethod
    def availability(cls) -> Availability:
        if importlib.util.find_spec("tensorrt") is None:
            return Availability(
                False,
                "tensorrt is not installed; install NVIDIA's TensorRT with its Python package, "
                "and hwprof with pip install 'hwprof[nvml]'",
            )
        reason = obstacle()
        return Availability(not reason, reason)

    def runtime(self) -> Runtime:
        from hwprof.machine.gpu.driver import open_cuda
        from hwprof.machine.gpu.hardware import gpu_hardware

        version = str(import_runtime().__version__)
        build = f"CUDA driver {open_cuda().version()}"
        return Runtime("tensorrt", version, build, "TensorRT", gpu_hardware(self.device))

    def open_model(self, model: Model) -> ProgramSession:
        # Imported here: they need onnx, which listing devices does not.
        from hwprof.devices.gpu.memory import out_of_memory, ran_out
        from hwprof.devices.gpu.timing import flush_bytes
        from hwprof.devices.tensorrt.build import (
            build_engine,
            engine_file,
            keep_engine,
            name_and_fix,
        )
        from hwprof.devices.tensorrt.program import TensorRtProgram
        from hwprof.devices.tensorrt.runtime import make_logger
        from hwprof.errors import DeviceError
        from hwprof.machine.gpu.driver import CudaError, open_cuda
        from hwprof.machine.gpu.hardware import NvidiaGpu
        from hwprof.models.onnx.file import read_structure
        from hwprof.models.onnx.types import check_types

        proto = read_structure(model.path)
        check_types(proto, self.precision, model.path.name)
        name_and_fix(proto, model)
        # The variable would overrule the builder's own flag.
        decide_environment("NVIDIA_TF32_OVERRIDE", None)
        trt = import_runtime()
        accelerator = NvidiaGpu(self.device, self.precision)
        gpu = open_cuda().device(self.device)

        def load() -> TensorRtProgram:
            logger = make_logger(trt)
            try:
                context = gpu.open()
            except CudaError as error:
                if ran_out(str(error)):
                    raise out_of_memory(model.path.name, str(error)) from error
                raise DeviceError(
                    f"the GPU gives no context ({error}); end other programs on it and retry"
                ) from error
            try:
                kept = None
                if self.engines:
                    name = accelerator.state().name
                    kept = engine_file(Path(self.engines), trt, model, self.precision, name)
                if kept is not None and kept.exists():
                    engine = kept.read_bytes()
                else:
                    engine = build_engine(trt, logger, model, proto, self.precision)
                    if kept is not None:
                        keep_engine(kept, engine)
                flush = flush_bytes(gpu.l2_bytes()) if self.cold else 0
                return TensorRtProgram(trt, logger, engine, model, proto, context, flush)
            except BaseException:
                context.close()
                raise

        return ProgramSession(model, 1, load, accelerator=accelerator)
