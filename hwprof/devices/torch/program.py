"""A model in PyTorch, ready to run: eager or compiled."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx

from hwprof.convert.torch.load import to_array
from hwprof.devices.base import ProfiledRun
from hwprof.devices.program import Program
from hwprof.devices.torch.inductor import compile_module, refuse_unless_integer
from hwprof.errors import HwprofError, MeasurementError, one_line
from hwprof.models.advice import to_run
from hwprof.models.base import Model

# Allocations settle during the first runs, as they do before samples count.
PROFILE_WARMUP = 2


class TorchProgram(Program):
    """A callable module with its inputs; it runs in inference mode, as users run it."""

    def __init__(
        self,
        model: Model,
        module: fx.GraphModule,
        inputs: tuple[torch.Tensor, ...],
        threads: int,
    ) -> None:
        self._model = model
        self._module = module
        self._inputs = inputs
        self._threads = threads
        self._call: Callable[..., Any] = module

    def run(self) -> object:
        with torch.inference_mode():
            return self._call(*self._inputs)

    def outputs(self) -> Sequence[np.ndarray]:
        with torch.inference_mode():
            found = self._call(*self._inputs)
        return [to_array(value) for value in found]

    def explain(self, error: Exception) -> HwprofError:
        name = self._model.path.name
        if isinstance(error, MemoryError) or "not enough memory" in str(error):
            return MeasurementError(
                f"memory ran out on '{name}'; use a smaller --batch or --shape, close other "
                "programs, or use a machine with more memory"
            )
        if isinstance(error, NotImplementedError) or "not implemented for" in str(error):
            return MeasurementError(
                f"torch {torch.__version__} has no CPU kernel that '{name}' needs: "
                f"{one_line(error)}; use precision=fp32"
            )
        return MeasurementError(
            f"'{name}' opens but does not run in torch {torch.__version__}: {one_line(error)}; "
            f"{to_run(str(error), self._model.subject.inputs)}"
        )

    def close(self) -> None:
        self._call = _closed
        self._module = fx.GraphModule(torch.nn.Module(), fx.Graph())
        self._inputs = ()
        gc.collect()

    def _weights_bytes(self) -> int:
        tensors = [*self._module.parameters(), *self._module.buffers()]
        return sum(t.numel() * t.element_size() for t in tensors)


class EagerProgram(TorchProgram):
    """The module as Python calls it, operator by operator."""

    def profile(self, runs: int) -> ProfiledRun:
        from hwprof.devices.torch.eager_profile import profile_eager

        profile = profile_eager(self._module, self._inputs, runs, PROFILE_WARMUP, self._threads)
        return ProfiledRun(
            profile,
            weights_bytes=self._weights_bytes(),
            mapping="one kernel for each node of the model, but for those folded beforehand",
        )


class CompiledProgram(TorchProgram):
    """The module compiled by inductor; compiling has run it once."""

    def __init__(
        self,
        model: Model,
        module: fx.GraphModule,
        inputs: tuple[torch.Tensor, ...],
        threads: int,
        freezing: bool,
        precision: str,
    ) -> None:
        super().__init__(model, module, inputs, threads)
        self._freezing = freezing
        if precision == "int8":
            from hwprof.convert.torch.quantise import quantised

            self._module = quantised(module, inputs, model.path.name)
        self._call, self._written = compile_module(self._module, inputs, freezing, model.path.name)
        if precision == "int8":
            refuse_unless_integer(self._written, model.path.name)

    def profile(self, runs: int) -> ProfiledRun:
        from hwprof.devices.torch.compiled_profile import profile_compiled

        profile = profile_compiled(
            self._module, self._inputs, self._written, self.run, runs, PROFILE_WARMUP, self._threads
        )
        return ProfiledRun(
            profile,
            weights_bytes=self._weights_bytes(),
            mapping="by the lines of the module that inductor says each kernel computes"
            + (", which folded weights blur" if self._freezing else ""),
        )

    def close(self) -> None:
        super().close()
        torch._dynamo.reset()


def _closed(*inputs: object) -> object:
    raise MeasurementError("the session is closed; open the model again to time it")
