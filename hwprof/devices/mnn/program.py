"""A converted model in one MNN session: feeding it, running it, and timing its commands."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hwprof.convert.mnn.file import Operator
from hwprof.devices.base import ProfiledRun
from hwprof.devices.mnn.runtime import silenced
from hwprof.devices.mnn.trace import Command, Trace, tensor_specs
from hwprof.devices.profiled_runs import time_steps
from hwprof.devices.program import Program
from hwprof.errors import DeviceError, MeasurementError, ModelError
from hwprof.models.advice import to_run
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of
from hwprof.models.outputs import declared_outputs
from hwprof.samples import FloatArray

# Codes of Interpreter.getSessionInfo (MNN/Interpreter.hpp, SessionInfoCode).
BACKENDS, RESIZE_STATUS, THREAD_NUMBER = 2, 3, 4
# MNNForwardType: the CPU backend of a special instruction set, which fp16 on ARM is one of.
CPU_EXTENSION = 13
PROFILE_WARMUP = 2


class MnnProgram(Program):
    """One model in one MNN session, fed the same inputs at every run.

    A run copies the inputs in, because the session lets intermediate results overwrite them, and
    leaves the outputs where MNN wrote them.
    """

    def __init__(
        self,
        runtime: ModuleType,
        model: Model,
        file: Path,
        operators: Sequence[Operator],
        threads: int,
        precision: str,
    ) -> None:
        """Load `file`, the model as converted, which holds `operators`.

        The file is not needed afterwards. Raises ModelError and DeviceError.
        """
        self._name = model.path.name
        self._threads = threads
        self._runtime = runtime
        with silenced():
            self._interpreter: Any = runtime.Interpreter(str(file))
            self._session: Any = self._interpreter.createSession(
                {"backend": "CPU", "numThread": threads, "precision": precision}
            )
        self._model = model
        self._operators = operators
        self._check(precision)
        self._declared = declared_outputs(model)
        self._feed = self._inputs()

    def _check(self, precision: str) -> None:
        """Check that the session is what was asked for."""
        if self._info(RESIZE_STATUS) != 0:
            raise ModelError(
                f"MNN cannot tell the shapes of all tensors of '{self._name}' before it runs; "
                "export the model without shapes that depend on values, or choose another device"
            )
        threads = self._info(THREAD_NUMBER)
        if threads != self._threads:
            raise DeviceError(
                f"MNN uses {threads} threads where {self._threads} were asked for; "
                f"use threads={threads}"
            )
        backend = self._interpreter.getSessionInfo(self._session, BACKENDS)
        if precision == "low" and backend != CPU_EXTENSION:
            raise DeviceError("MNN did not take its fp16 backend; use precision=fp32")

    def _info(self, code: int) -> int:
        """A whole number of the session's, which the binding hands out as a float's bits."""
        bits = struct.pack("f", self._interpreter.getSessionInfo(self._session, code))
        return int(struct.unpack("i", bits)[0])

    def _inputs(self) -> list[tuple[Any, Any]]:
        """Pairs of a session tensor and the host tensor that is copied to it at each run."""
        mnn = self._runtime
        tensors = self._interpreter.getSessionInputAll(self._session)
        feed, values = [], tensors_of(self._model)
        for spec in self._model.subject.inputs:
            target = tensors.get(spec.name)
            if target is None:  # the converter drops inputs that nothing reads
                continue
            kind = target.getDataType()
            whole = kind == mnn.Halide_Type_Int
            value = values[spec.name].astype(np.int32 if whole else np.float32)
            if not whole and kind != mnn.Halide_Type_Float:
                raise ModelError(
                    f"MNN wants input '{spec.name}' in a type other than float32 and int32; "
                    "export the model with one of these"
                )
            if tuple(target.getShape()) != value.shape:
                raise ModelError(
                    f"MNN gives input '{spec.name}' the shape {tuple(target.getShape())} instead "
                    f"of {value.shape}; choose another device"
                )
            feed.append(
                (target, mnn.Tensor(value.shape, kind, value, mnn.Tensor_DimensionType_Caffe))
            )
        return feed

    def run(self) -> object:
        for target, value in self._feed:
            target.copyFrom(value)
        code = self._interpreter.runSession(self._session)
        if code != 0:
            raise MeasurementError(self._failed(code))
        return code

    def _failed(self, code: int) -> str:
        return (
            f"'{self._name}' opens but does not run: MNN gives error code {code}; "
            f"{to_run('', self._model.subject.inputs)}"
        )

    def outputs(self) -> Sequence[np.ndarray]:
        self.run()
        tensors = self._interpreter.getSessionOutputAll(self._session)
        found = []
        for output in self._declared:
            if output.name not in tensors:
                raise DeviceError(
                    f"MNN does not hand out output '{output.name}' of '{self._name}'; "
                    "use --no-check-outputs to measure without comparing"
                )
            found.append(output.dress(self._on_host(tensors[output.name])))
        return found

    def _on_host(self, tensor: Any) -> np.ndarray:
        """A copy of a session tensor in plain layout, the innermost dimension last."""
        shape, kind = tensor.getShape(), tensor.getDataType()
        whole = kind == self._runtime.Halide_Type_Int
        room = np.zeros(shape, np.int32 if whole else np.float32)
        plain = self._runtime.Tensor(shape, kind, room, self._runtime.Tensor_DimensionType_Caffe)
        tensor.copyToHostTensor(plain)
        return np.array(plain.getNumpyData())

    def profile(self, runs: int) -> ProfiledRun:
        # Imported here: timing does not need it.
        from hwprof.devices.mnn.kernels import build_profile

        trace = self._trace(runs)
        return build_profile(self._model, self._operators, trace)

    def _trace(self, runs: int) -> Trace:
        commands = self._describe()
        times = time_steps(
            lambda: self._timed(commands), len(commands), runs, self._threads, PROFILE_WARMUP
        )
        return Trace(commands, times)

    def _describe(self) -> tuple[Command, ...]:
        """One run that notes what each command is, and times nothing."""
        found: list[Command] = []
        reads: list[tuple[Any, ...]] = []

        def before(tensors: Sequence[Any], info: Any) -> bool:
            reads.append(tensor_specs(self._runtime, tensors))
            return True

        def after(tensors: Sequence[Any], info: Any) -> bool:
            writes = tensor_specs(self._runtime, tensors)
            found.append(Command(info.getName(), info.getType(), reads[-1], writes))
            return True

        self._called(before, after)
        return tuple(found)

    def _timed(self, commands: tuple[Command, ...]) -> FloatArray:
        """Seconds of each command of one run, between its two callbacks."""
        clock = time.perf_counter_ns
        starts: list[int] = []
        ends: list[int] = []

        def before(tensors: object, info: object) -> bool:
            starts.append(clock())
            return True

        def after(tensors: object, info: object) -> bool:
            ends.append(clock())
            return True

        self._called(before, after)
        if not len(starts) == len(ends) == len(commands):
            raise MeasurementError(
                f"'{self._name}' ran {len(ends)} kernels in one run and {len(commands)} in "
                "another, so they cannot be told apart; use --no-per-op"
            )
        durations: FloatArray = (np.array(ends) - np.array(starts)) * 1e-9
        return durations

    def _called(self, before: Any, after: Any) -> None:
        for target, value in self._feed:
            target.copyFrom(value)
        code = self._interpreter.runSessionWithCallBackInfo(self._session, before, after)
        if code != 0:
            raise MeasurementError(self._failed(code))

    def close(self) -> None:
        # Tensors belong to the session, the session to the interpreter: in this order.
        self._feed = []
        self._session = None
        self._interpreter = None
