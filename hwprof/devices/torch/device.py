"""The device `torch-cpu`: options, identity, and opening a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwprof.convert.torch.runtime import MISSING, import_runtime, is_installed
from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.devices.options import chosen, refuse_unknown, threads_of
from hwprof.devices.program import ProgramSession
from hwprof.devices.torch.runtime import build_of, compiler_version, set_threads
from hwprof.errors import OptionError
from hwprof.machine.host import hardware
from hwprof.models.base import Model
from hwprof.models.formats import refuse_other_formats

NAME = "torch-cpu"
SWITCH = ("on", "off")
PRECISIONS = ("fp32", "bf16", "fp16", "int8")


@dataclass(frozen=True, slots=True)
class TorchCpu(Device):
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

    threads: int = 1
    mode: str = "eager"
    precision: str = "fp32"
    channels_last: bool = False
    freezing: bool = False

    @classmethod
    def availability(cls) -> Availability:
        return Availability(True) if is_installed() else Availability(False, MISSING)

    @classmethod
    def create(cls, options: Mapping[str, str]) -> TorchCpu:
        known = ("threads", "mode", "precision", "channels_last", "freezing")
        refuse_unknown(options, NAME, known)
        mode = chosen(options, "mode", ("eager", "compiled"), "eager")
        precision = chosen(options, "precision", PRECISIONS, "fp32")
        last = chosen(options, "channels_last", SWITCH, "off") == "on"
        quantised = precision == "int8"
        freezing = chosen(options, "freezing", SWITCH, "on" if quantised else "off") == "on"
        if quantised and mode == "eager":
            raise OptionError(
                "precision=int8 needs mode=compiled, because PyTorch's quantised models run on "
                "integers only when compiled; write torch-cpu:mode=compiled,precision=int8"
            )
        if quantised and not freezing:
            raise OptionError("precision=int8 needs freezing=on, which packs the integer weights")
        if freezing and mode == "eager":
            raise OptionError("freezing=on needs mode=compiled; add it, or leave out freezing")
        return cls(threads_of(options), mode, precision, last, freezing)

    @property
    def spec(self) -> DeviceSpec:
        torch = import_runtime()
        compiler = compiler_version() if self.mode == "compiled" else ""
        return DeviceSpec(
            name=NAME,
            hardware=hardware(),
            runtime="torch",
            runtime_version=str(torch.__version__),
            runtime_build=build_of(torch, compiler),
            provider="inductor" if self.mode == "compiled" else "aten",
            precision=self.precision,
            threads=self.threads,
            options={
                "mode": self.mode,
                "channels_last": "on" if self.channels_last else "off",
                "freezing": "on" if self.freezing else "off",
            },
        )

    def open(self, model: Model) -> ProgramSession:
        refuse_other_formats(model, ("onnx", "torch"), NAME)
        torch = import_runtime()
        if self.mode == "compiled":
            compiler_version()  # a machine without one is told so before anything is loaded
        # Imported here: they need torch.
        from hwprof.devices.torch.load import load_module, prepare
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
