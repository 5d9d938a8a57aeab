"""The device `torch-cpu`: options, identity, and opening a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from hwprof.convert.torch.runtime import MISSING, import_runtime, is_installed
from hwprof.devices.base import Availability
from hwprof.devices.declared import DeclaredDevice, Runtime
from hwprof.devices.options import choice, switch, thread_count
from hwprof.devices.program import ProgramSession
from hwprof.devices.torch.runtime import build_of, compiler_version, set_threads
from hwprof.errors import OptionError
from hwprof.models.base import Model, ModelFormat


@dataclass(frozen=True, slots=True)
class TorchCpu(DeclaredDevice):
    """PyTorch's operators on the CPU.

    `mode` is `eager` (operators called one by one from Python, as PyTorch runs a module) or
    `compiled` (`torch.compile` by inductor, the whole model in one graph). Opening a model
    compiles it by running it once, so that compiling is set-up time and the first run measured is
    the second; inductor finds what it compiled before in its cache on disk, as it does for every
    user, which makes a later set-up shorter.

    `precision` is that of all floating-point tensors and weights: a model's float32 becomes it.
    `int8` is static quantisation of what inductor's quantiser for x86 takes, calibrated on the
    inputs that are timed; it exists in mode=compiled only. `channels_last` stores images and the
    weights of their convolutions with channels innermost. `freezing` lets inductor bake the
    weights in, folded and packed; int8 always does.
    """

    NAME: ClassVar[str] = "torch-cpu"
    OPENS: ClassVar[tuple[ModelFormat, ...]] = ("onnx", "torch")

    threads: int = thread_count("threads of an operator")
    mode: str = choice("eager", ("eager", "compiled"), "compiled is torch.compile by inductor")
    precision: str = choice("fp32", ("fp32", "bf16", "fp16", "int8"), "of all tensors and weights")
    channels_last: bool = switch(False, "images with channels innermost")
    freezing: bool = switch(False, "weights baked in; int8 always does")

    @classmethod
    def availability(cls) -> Availability:
        return Availability(True) if is_installed() else Availability(False, MISSING)

    @classmethod
    def completed(cls, options: Mapping[str, str]) -> Mapping[str, str]:
        implied = {"freezing": "on"} if options.get("precision") == "int8" else {}
        return {**implied, **options}

    def check(self) -> None:
        quantised = self.precision == "int8"
        if quantised and self.mode == "eager":
            raise OptionError(
                "precision=int8 needs mode=compiled, because PyTorch's quantised models run on "
                "integers only when compiled; write torch-cpu:mode=compiled,precision=int8"
            )
        if quantised and not self.freezing:
            raise OptionError("precision=int8 needs freezing=on, which packs the integer weights")
        if self.freezing and self.mode == "eager":
            raise OptionError("freezing=on needs mode=compiled; add it, or leave out freezing")

    def runtime(self) -> Runtime:
        torch = import_runtime()
        compiled = self.mode == "compiled"
        build = build_of(torch, compiler_version() if compiled else "")
        return Runtime("torch", str(torch.__version__), build, "inductor" if compiled else "aten")

    def open_model(self, model: Model) -> ProgramSession:
        torch = import_runtime()
        if self.mode == "compiled":
            compiler_version()  # a machine without one is told so before anything is loaded
        # Imported here: they need torch.
        from hwprof.convert.torch.load import load_module, prepare
        from hwprof.devices.torch.program import CompiledProgram, EagerProgram, TorchProgram

        set_threads(torch, self.threads)
        prepare()

        def load() -> TorchProgram:
            module, inputs = load_module(model, self.precision, self.channels_last)
            if self.mode == "eager":
                return EagerProgram(model, module, inputs, self.threads)
            return CompiledProgram(
                model, module, inputs, self.threads, self.freezing, self.precision
            )

        return ProgramSession(model, self.threads, load)
