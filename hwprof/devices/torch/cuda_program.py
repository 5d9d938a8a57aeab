"""A torch module on a GPU: eager, compiled, or recorded as a CUDA graph."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx

from hwprof.convert.torch.load import to_array
from hwprof.devices.base import ProfiledRun
from hwprof.devices.gpu.memory import out_of_memory, ran_out
from hwprof.devices.gpu.timing import EventClock, EventTimer
from hwprof.devices.program import Program
from hwprof.devices.torch.cache import run_own_code
from hwprof.errors import DeviceError, HwprofError, MeasurementError, ModelError, one_line
from hwprof.machine.host import MemoryReading
from hwprof.models.advice import to_run
from hwprof.models.base import Model

# What torch's own types leave open.
_cuda: Any = torch.cuda

# "CUDA semantics" of PyTorch's manual: run some times on a side stream before recording, so that
# libraries have made their workspaces and lazily loaded kernels are there.
RECORD_WARMUP = 3


class TorchClock(EventClock):
    """Events on the current stream of a GPU."""

    def __init__(self, place: torch.device, flush_bytes: int) -> None:
        """`flush_bytes` is the size of the buffer that `flush` overwrites, 0 for none."""
        self._place = place
        self._start = _cuda.Event(enable_timing=True)
        self._stop = _cuda.Event(enable_timing=True)
        self._buffer = torch.empty(flush_bytes, dtype=torch.int8, device=place)

    @property
    def buffer_bytes(self) -> int:
        """Memory of the GPU that the clock itself holds."""
        return self._buffer.numel()

    def start(self) -> None:
        self._start.record()

    def stop(self) -> None:
        self._stop.record()

    def elapsed_s(self) -> float:
        self._stop.synchronize()
        return float(self._start.elapsed_time(self._stop)) * 1e-3

    def flush(self) -> None:
        self._buffer.zero_()
        _cuda.synchronize(self._place)


class TorchCudaProgram(Program):
    """A module with its inputs on a device; it runs in inference mode, as users run it.

    `peak` tells the most bytes of the device's memory in use since the model was opened.
    """

    def __init__(
        self,
        model: Model,
        module: fx.GraphModule,
        inputs: tuple[torch.Tensor, ...],
        place: torch.device,
        clock: EventClock,
        *,
        cold: bool,
        peak: Callable[[], int],
    ) -> None:
        self._model = model
        self._module = module
        self._inputs = inputs
        self._place = place
        self._clock = clock
        self._cold = cold
        self._peak = peak
        self._compiled = False
        self._graph: Any = None
        self._recorded: Any = None
        self._call: Callable[..., Any] = module

    def move(self) -> None:
        """Put weights and inputs on the device. Raises OutOfMemoryError when they do not fit."""
        self._module.to(self._place)
        self._inputs = tuple(each.to(self._place) for each in self._inputs)

    def compile(self) -> None:
        """Compile for these inputs, which runs the model once. Raises ModelError, DeviceError."""
        run_own_code()
        self._call = torch.compile(self._module, dynamic=False)
        self._compiled = True
        try:
            self.run()
        except Exception as error:  # inductor, Triton and the C compiler raise their own
            if ran_out(str(error)):
                raise self.explain(error) from error
            raise ModelError(
                f"torch {torch.__version__} does not compile '{self._model.path.name}': "
                f"{one_line(error)}; check that triton is installed, or use mode=eager"
            ) from error

    def record(self) -> None:
        """Record a run as a CUDA graph. Raises ModelError for a model that cannot be recorded."""
        side = _cuda.Stream(self._place)
        side.wait_stream(_cuda.current_stream(self._place))
        graph = _cuda.CUDAGraph()
        try:
            with torch.inference_mode():
                with _cuda.stream(side):
                    for _ in range(RECORD_WARMUP):
                        self._call(*self._inputs)
                _cuda.current_stream(self._place).wait_stream(side)
                with _cuda.graph(graph):
                    self._recorded = self._call(*self._inputs)
        except Exception as error:  # torch.AcceleratorError, RuntimeError, and more by version
            if ran_out(str(error)):
                raise self.explain(error) from error
            raise ModelError(
                f"'{self._model.path.name}' cannot be recorded as a CUDA graph: "
                f"{one_line(error)}; use graphs=off"
            ) from error
        self._graph = graph

    def enqueue(self) -> object:
        """Launch one run; on a GPU it is done some time later."""
        if self._graph is not None:
            return self._graph.replay()
        with torch.inference_mode():
            return self._call(*self._inputs)

    def run(self) -> object:
        found = self.enqueue()
        self._wait()
        return found

    def _wait(self) -> None:
        if self._place.type == "cuda":
            _cuda.synchronize(self._place)

    def timer(self, threads: int) -> EventTimer:
        return EventTimer(self._clock, self.enqueue, self._cold, launched=self._graph is None)

    def outputs(self) -> Sequence[np.ndarray]:
        found: Any = self.run()
        if self._graph is not None:
            found = self._recorded
        return [to_array(value.cpu()) for value in found]

    def accelerator_peak(self) -> MemoryReading:
        return MemoryReading(self._peak())

    def explain(self, error: Exception) -> HwprofError:
        name = self._model.path.name
        if ran_out(str(error)):
            return out_of_memory(name, str(error))
        if "no kernel image" in str(error):
            return DeviceError(
                f"torch {torch.__version__} was not built for this GPU ({one_line(error)}); "
                "install a build of torch that is"
            )
        if isinstance(error, NotImplementedError) or "not implemented for" in str(error):
            return MeasurementError(
                f"torch {torch.__version__} has no CUDA kernel that '{name}' needs: "
                f"{one_line(error)}; use precision=fp32"
            )
        return MeasurementError(
            f"'{name}' opens but does not run in torch {torch.__version__}: {one_line(error)}; "
            f"{to_run(str(error), self._model.subject.inputs)}"
        )

    def profile(self, runs: int) -> ProfiledRun:
        from hwprof.devices.torch.cuda_profile import profile_compiled, profile_eager

        if self._compiled:
            profile = profile_compiled(self._model, self.run, self._clock, runs)
            mapping = "none: kernels that inductor generated, by their names"
        else:
            profile = profile_eager(self._model, self._module, self._inputs, self._clock, runs)
            mapping = "one figure for each node of the model: its kernels, without launch gaps"
        if self._graph is not None:
            mapping += "; profiled without the CUDA graph"
        tensors = [*self._module.parameters(), *self._module.buffers()]
        weights = sum(t.numel() * t.element_size() for t in tensors)
        return ProfiledRun(profile, weights_bytes=weights, mapping=mapping)

    def close(self) -> None:
        self._graph = self._recorded = None
        self._call = _closed
        self._module = fx.GraphModule(torch.nn.Module(), fx.Graph())
        self._inputs = ()
        gc.collect()
        if self._place.type == "cuda":
            _cuda.empty_cache()


def _closed(*inputs: object) -> object:
    raise MeasurementError("the session is closed; open the model again to time it")
