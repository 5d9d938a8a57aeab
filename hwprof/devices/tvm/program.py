"""A compiled model in Relax's virtual machine: running it, and profiling its kernels."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from hwprof.devices.base import ProfiledRun
from hwprof.devices.program import Program
from hwprof.devices.tvm.compiling import Compiled
from hwprof.errors import DeviceError
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of


class TvmProgram(Program):
    """One model in one virtual machine, fed the same values at every run."""

    def __init__(self, tvm: ModuleType, model: Model, threads: int, compiled: Compiled) -> None:
        self._tvm = tvm
        self._model = model
        self._threads = threads
        self._compiled = compiled
        feed = tensors_of(model)
        self._inputs = [tvm.runtime.tensor(feed[name]) for name in compiled.inputs]
        self._machine = tvm.relax.VirtualMachine(compiled.executable, tvm.cpu())
        self._main = self._machine["main"]

    def run(self) -> object:
        return self._main(*self._inputs)

    def time_evaluator_s(self, runs: int) -> list[float]:
        """Seconds of each of `runs` runs by TVM's own `time_evaluator`, to hold ours against."""
        evaluate = self._machine.time_evaluator("main", self._tvm.cpu(), number=1, repeat=runs)
        return [float(value) for value in evaluate(*self._inputs).results]

    def outputs(self) -> Sequence[np.ndarray]:
        return [self._array(value) for value in self._flat(self._main(*self._inputs))]

    def _flat(self, value: Any) -> list[Any]:
        if isinstance(value, self._tvm.runtime.Tensor | self._tvm.runtime.ShapeTuple):
            return [value]
        try:
            return [each for item in value for each in self._flat(item)]
        except TypeError as error:
            raise DeviceError(
                f"tvm gives an output of type {type(value).__name__}, which is no tensor; "
                "use --no-check-outputs to measure without comparing"
            ) from error

    def _array(self, value: Any) -> np.ndarray:
        if isinstance(value, self._tvm.runtime.ShapeTuple):
            return np.array([int(each) for each in value], np.int64)
        array: np.ndarray = value.numpy()
        return array.astype(np.float32) if array.dtype.name.startswith("bfloat") else array

    def profile(self, runs: int) -> ProfiledRun:
        # Imported here: it brings onnx, which timing does not need.
        from hwprof.devices.tvm.profiling import profile

        return profile(
            self._tvm,
            self._model,
            self._compiled,
            self._machine,
            self._inputs,
            self._threads,
            runs,
        )

    def close(self) -> None:
        del self._main, self._machine, self._inputs, self._compiled
        gc.collect()
