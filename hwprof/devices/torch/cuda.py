"""The device `torch-cuda`: options, identity, and opening a model.

Written for PyTorch 2.6 and later. Where it was written there was no GPU: what needs one has been
checked against torch's own classes on the processor, and scripts/gpu_check.py checks the rest.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from hwprof.devices.base import Availability
from hwprof.devices.declared import DeclaredDevice, Runtime
from hwprof.devices.gpu.options import cold_cache, decide_environment, gpu_index
from hwprof.devices.options import choice, switch
from hwprof.devices.program import ProgramSession
from hwprof.errors import DeviceError
from hwprof.machine.gpu.nvml import obstacle
from hwprof.models.base import Model, ModelFormat

_CUDA_LINE = re.compile(r"^cuda\b[^=]*=\s*(.+)$", re.M)
_VERSION_LINE = re.compile(r"^__version__\b[^=]*=\s*['\"](.+)['\"]", re.M)


@dataclass(frozen=True, slots=True)
class TorchCuda(DeclaredDevice):
    """PyTorch's operators on an NVIDIA GPU, timed by CUDA events.

    `device` is CUDA's number of the GPU. `precision` is that of all floating-point tensors and
    weights; `tf32` is fp32 with the factors of products rounded, which `fp32` never does. `mode`
    is `eager` or `compiled` (torch.compile by inductor, for these shapes). `graphs` records the
    run as a CUDA graph once and replays it, so that the processor launches nothing. `cold`
    flushes the level-2 cache before each run. `benchmark` has cuDNN try its convolutions out.
    `channels_last` stores images and the weights of their convolutions with channels innermost.
    Compiling and recording are set-up time, and run the model.
    """

    NAME: ClassVar[str] = "torch-cuda"
    OPENS: ClassVar[tuple[ModelFormat, ...]] = ("onnx", "torch")

    device: int = gpu_index()
    precision: str = choice("fp32", ("fp32", "tf32", "fp16", "bf16"), "of all tensors and weights")
    mode: str = choice("eager", ("eager", "compiled"), "compiled is torch.compile by inductor")
    cold: bool = cold_cache()
    graphs: bool = switch(False, "replays the run as one CUDA graph")
    benchmark: bool = switch(False, "has cuDNN try its convolutions out")
    channels_last: bool = switch(False, "images with channels innermost")

    @classmethod
    def availability(cls) -> Availability:
        reason = build_obstacle() or obstacle()
        return Availability(not reason, reason)

    def runtime(self) -> Runtime:
        from hwprof.machine.gpu.driver import open_cuda
        from hwprof.machine.gpu.hardware import gpu_hardware

        torch = import_cuda(self.device)
        git = str(torch.version.git_version or "")[:12]
        libraries = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
        return Runtime(
            "torch",
            str(torch.__version__),
            f"{git}, {libraries}, CUDA driver {open_cuda().version()}",
            "inductor" if self.mode == "compiled" else "aten",
            gpu_hardware(self.device),
        )

    def open_model(self, model: Model) -> ProgramSession:
        from hwprof.devices.gpu.memory import out_of_memory
        from hwprof.devices.gpu.timing import flush_bytes
        from hwprof.machine.gpu.driver import open_cuda
        from hwprof.machine.gpu.hardware import NvidiaGpu

        # The variable would overrule what is set below.
        decide_environment("NVIDIA_TF32_OVERRIDE", None)
        torch = import_cuda(self.device)
        accelerator = NvidiaGpu(self.device, self.precision)
        gpu = open_cuda().device(self.device)
        # Imported here: they need torch.
        from hwprof.convert.torch.load import load_module
        from hwprof.devices.torch.cuda_program import TorchClock, TorchCudaProgram

        set_precision(torch, self.precision)
        torch.backends.cudnn.benchmark = self.benchmark
        place = torch.device("cuda", self.device)

        def make() -> TorchCudaProgram:
            name = "fp32" if self.precision == "tf32" else self.precision
            module, inputs = load_module(model, name, self.channels_last)
            clock = TorchClock(place, flush_bytes(gpu.l2_bytes()) if self.cold else 0)
            program = TorchCudaProgram(
                model,
                module,
                inputs,
                place,
                clock,
                cold=self.cold,
                # The flushing buffer is ours, not the model's.
                peak=lambda: int(torch.cuda.max_memory_allocated(place)) - clock.buffer_bytes,
            )
            program.move()
            if self.mode == "compiled":
                program.compile()
            if self.graphs:
                program.record()
            return program

        def load() -> TorchCudaProgram:
            torch.cuda.set_device(place)
            torch.cuda.reset_peak_memory_stats(place)
            try:
                return make()
            except torch.cuda.OutOfMemoryError as error:
                raise out_of_memory(model.path.name, str(error)) from error

        return ProgramSession(model, 1, load, accelerator=accelerator)


def build_obstacle() -> str:
    """Why the installed torch cannot use a GPU; empty when it can. Does not import it."""
    try:
        found = importlib.util.find_spec("torch")
    except (ImportError, ValueError):
        found = None
    folders = list(found.submodule_search_locations or ()) if found is not None else []
    if not folders:
        return "torch is not installed; install a CUDA build of it, and pip install 'hwprof[nvml]'"
    try:
        text = Path(folders[0], "version.py").read_text()
    except OSError:
        return ""  # importing it will tell
    cuda, version = _CUDA_LINE.search(text), _VERSION_LINE.search(text)
    if cuda is not None and cuda[1].strip() == "None":
        number = version[1] if version is not None else ""
        return f"torch {number} is a build without CUDA; install a CUDA build of torch"
    return ""


def import_cuda(index: int) -> ModuleType:
    """PyTorch, seeing GPU `index`. Raises DeviceError with the reason it does not."""
    from hwprof.convert.torch.runtime import import_runtime

    torch = import_runtime()
    reason = build_obstacle() or obstacle()
    if reason:
        raise DeviceError(reason)
    if not torch.cuda.is_available():
        raise DeviceError(
            f"torch {torch.__version__} does not start CUDA {torch.version.cuda}; check that the "
            "driver is new enough for it with nvidia-smi"
        )
    if index >= torch.cuda.device_count():
        raise DeviceError(
            f"torch sees {torch.cuda.device_count()} GPUs, numbered from 0, and no GPU {index}; "
            "choose another with device=N, and check CUDA_VISIBLE_DEVICES"
        )
    return torch


def set_precision(torch: ModuleType, precision: str) -> None:
    """Allow TF32 in products and convolutions, or forbid it: torch's defaults differ."""
    allowed = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
