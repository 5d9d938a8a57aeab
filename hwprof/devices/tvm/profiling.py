"""Timing every kernel call of the virtual machine, and saying what the kernels are."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from hwprof.devices.base import ProfiledRun
from hwprof.devices.profiled_runs import time_profiled
from hwprof.devices.tvm.compiling import Compiled
from hwprof.devices.tvm.tracing import KernelCall
from hwprof.errors import DeviceError
from hwprof.graph import Kernel, TensorSpec
from hwprof.models.base import Model
from hwprof.models.onnx.cover import nodes_with_work
from hwprof.models.onnx.file import read_structure
from hwprof.profile import KernelOccurrence, Profile

DOMAIN = "org.apache.tvm"
# Runs before the profiled ones count: the first touches the memory that the others reuse.
WARMUP = 2
# What the machine itself does between kernels: allocating, checking shapes, making views.
_MACHINE = ("vm.builtin.", "vm.")

TRACED = "by the operands of each kernel, through TVM's own passes"
UNTRACED = "kernels carry the names of TVM's functions only"


class _Recorder:
    """Called by the machine around every call that it makes."""

    def __init__(self, kernels: frozenset[str]) -> None:
        self._kernels = kernels
        self._start = 0
        self.names: list[str] = []
        self.durations_ns: list[int] = []
        self.arguments: list[tuple[Any, ...]] | None = None

    def __call__(self, _function: Any, name: str, before: bool, _result: Any, *args: Any) -> None:
        if before:
            self._start = time.perf_counter_ns()
            return
        end = time.perf_counter_ns()
        # Kernels call no kernels: a start is always that of the same call.
        if name in self._kernels or not name.startswith(_MACHINE):
            self.names.append(name)
            self.durations_ns.append(end - self._start)
            if self.arguments is not None:
                self.arguments.append(tuple(_tensor(each) for each in args))

    def clear(self) -> None:
        """Forget what was recorded."""
        self.names, self.durations_ns = [], []


def _tensor(value: Any) -> TensorSpec | None:
    """Type and shape of an argument; None for what is no tensor."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        return None
    return TensorSpec("", str(dtype), tuple(int(each) for each in shape))


def profile(
    tvm: ModuleType,
    model: Model,
    compiled: Compiled,
    machine: Any,
    inputs: Sequence[Any],
    threads: int,
    runs: int,
) -> ProfiledRun:
    """Profile `runs` runs of a virtual machine, which keeps its instrument afterwards.

    The machine calls the instrument before and after each of its calls
    (`tvm.runtime.vm.VirtualMachine.set_instrument`). Raises DeviceError when the model runs other
    kernels from run to run.
    """
    recorder = _Recorder(frozenset(compiled.hashes))
    machine.set_instrument(recorder)
    main = machine["main"]

    def run() -> object:
        return main(*inputs)

    for _ in range(WARMUP):
        run()
    recorder.clear()
    recorder.arguments = []
    run()
    names, arguments = recorder.names, recorder.arguments
    recorder.arguments = None
    recorder.clear()
    timed = time_profiled(run, runs, threads)
    runs = len(timed)
    if recorder.names != names * runs:
        raise DeviceError(
            f"'{model.path.name}' runs other kernels from run to run, which cannot be put side by "
            "side; use --no-per-op"
        )
    durations_s = np.array(recorder.durations_ns, np.float64).reshape(runs, len(names)).T * 1e-9
    calls, traced = _aligned(names, compiled)
    counts: dict[str, int] = {}
    occurrences = []
    for call, seen, seconds in zip(calls, arguments, durations_s, strict=True):
        counts[call.name] = counts.get(call.name, 0) + 1
        number = counts[call.name]
        occurrences.append(
            KernelOccurrence(
                name=call.name if number == 1 else f"{call.name}#{number}",
                kernel=_kernel(call, seen, compiled.hashes),
                provider="llvm",
                durations_s=seconds,
                source_nodes=call.nodes if traced else (),
            )
        )
    covered = {node for each in occurrences for node in each.source_nodes}
    with_work = nodes_with_work(read_structure(model.path)) if traced else ()
    return ProfiledRun(
        Profile.timed(
            tuple(occurrences),
            timed,
            tuple(node for node in with_work if node not in covered),
        ),
        weights_bytes=compiled.weights_bytes,
        mapping=TRACED if traced else UNTRACED,
    )


def _aligned(names: list[str], compiled: Compiled) -> tuple[list[KernelCall], bool]:
    """What is known of each call that was made: those of `main`, less the reshapes.

    TVM turns a kernel that only reshapes into a view after `main` was read.
    """
    planned = iter(compiled.calls)
    aligned = []
    for name in names:
        call = next((each for each in planned if each.name == name), None)
        if call is None:
            break
        aligned.append(call)
    if len(aligned) == len(names):
        return aligned, compiled.traced
    return [KernelCall(name, -1, ()) for name in names], False


def _kernel(
    call: KernelCall, arguments: tuple[TensorSpec | None, ...], hashes: Mapping[str, str]
) -> Kernel:
    """A kernel as its own code identifies it, schedule included.

    Where the number of inputs is unknown, all arguments are given as inputs.
    """
    split = len(arguments) if call.inputs < 0 else call.inputs
    inputs = tuple(
        tensor and TensorSpec("", tensor.dtype, tensor.shape, constant=constant)
        for tensor, constant in zip(
            arguments[:split], call.constants or (False,) * split, strict=True
        )
    )
    code = hashes.get(call.name)
    return Kernel(
        domain=DOMAIN,
        op=operator(call.name),
        attributes={"tir": code} if code else {},
        inputs=inputs,
        outputs=arguments[split:],
    )


def operator(name: str) -> str:
    """`fused_conv2d_add_relu` of `fused_conv2d3_add12_relu4`: TVM numbers equal names."""
    return re.sub(r"(?<=[a-z])\d+(?=_|$)", "", name)
