"""The device `onnx-reference`: ONNX's reference evaluator, operator by operator in NumPy."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device, ProfiledRun
from hwprof.devices.options import refuse_unknown
from hwprof.devices.program import Program, ProgramSession
from hwprof.devices.timing import time_runs
from hwprof.errors import ModelError, one_line
from hwprof.graph import Kernel, TensorSpec
from hwprof.machine.host import hardware
from hwprof.models.base import Model
from hwprof.models.formats import refuse_other_formats
from hwprof.models.inputs import random_input
from hwprof.profile import KernelOccurrence, Profile

if TYPE_CHECKING:
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

NAME = "onnx-reference"


class OnnxReference(Device):
    """The evaluator runs on one thread and has no settings."""

    @classmethod
    def availability(cls) -> Availability:
        # onnx comes with hwprof. A runtime that may be missing is looked for with
        # importlib.util.find_spec and imported no sooner than in `spec` and `open`.
        return Availability(True)

    @classmethod
    def create(cls, options: Mapping[str, str]) -> OnnxReference:
        refuse_unknown(options, NAME, ("threads",))
        return cls()

    @property
    def spec(self) -> DeviceSpec:
        return DeviceSpec(
            name=NAME,
            hardware=hardware(),
            runtime="onnx.reference",
            runtime_version=importlib.metadata.version("onnx"),
            # What computes here is NumPy, so its version is part of the device.
            runtime_build=f"numpy {np.__version__}",
            provider="numpy",
            precision="native",
            threads=1,
            options={},
        )

    def open(self, model: Model) -> ProgramSession:
        refuse_other_formats(model, "onnx", NAME)
        return ProgramSession(model, self.spec.threads, lambda: Evaluation(model))


class Evaluation(Program):
    """A model and its inputs."""

    def __init__(self, model: Model) -> None:
        from onnx.reference import ReferenceEvaluator

        try:
            self._evaluator: ReferenceEvaluator = ReferenceEvaluator(str(model.path))
        except Exception as error:  # parsing, unknown operators: no common base
            raise ModelError(
                f"onnx.reference cannot open '{model.path.name}': {one_line(error)}; "
                "export it again, or measure it on another device"
            ) from error
        self._feed = {t.name: random_input(t) for t in model.subject.inputs}

    def run(self) -> object:
        return self._evaluator.run(None, self._feed)

    def outputs(self) -> Sequence[np.ndarray]:
        return [np.asarray(value) for value in self._evaluator.run(None, self._feed)]

    def profile(self, runs: int) -> ProfiledRun:
        """Each node is a kernel, timed where the evaluator would run it."""
        steps = self._steps()
        durations = np.empty((len(steps), runs))
        row = 0

        def timed_run() -> None:
            nonlocal row
            for i, (_, step) in enumerate(steps):
                start = time.perf_counter_ns()
                step()
                durations[i, row] = (time.perf_counter_ns() - start) * 1e-9
            row += 1

        walls = time_runs(timed_run, runs, 1, 1)
        occurrences = tuple(
            KernelOccurrence(
                name=node.onnx_node.name or node.onnx_node.output[0],
                kernel=kernel,
                provider="numpy",
                durations_s=durations[i],
                # Here every kernel is a node of the file; a fusing runtime lists several.
                source_nodes=(node.onnx_node.name,) if node.onnx_node.name else (),
            )
            for i, ((node, _), kernel) in enumerate(zip(steps, self._kernels(), strict=True))
        )
        profile = Profile(occurrences, walls.wall_s, walls.switches)
        return ProfiledRun(profile, mapping="every kernel is a node of the file")

    def _steps(self) -> list[tuple[OpRun, Callable[[], None]]]:
        """The nodes in order, each with what computes it from the results before it."""
        self._results: dict[str, Any] = {"": None, **self._evaluator.rt_inits_, **self._feed}

        def step(node: OpRun) -> None:
            read = [self._results[name] for name in node.input]
            outer = {"context": self._results} if node.need_context() else {}
            written = node.run(*read, **outer)
            self._results.update(zip(node.output, written, strict=False))

        return [(node, lambda node=node: step(node)) for node in self._evaluator.rt_nodes_]

    def _kernels(self) -> list[Kernel]:
        """What each node is, wherever it stands: the operator, its attributes and its inputs."""
        from onnx.helper import printable_attribute

        kernels = []
        for node in self._evaluator.rt_nodes_:
            proto = node.onnx_node
            attributes = {a.name: str(printable_attribute(a)) for a in proto.attribute}
            inputs = tuple(self._tensor(name) for name in proto.input)
            outputs = tuple(self._tensor(name) for name in proto.output)
            kernels.append(Kernel("onnx.reference", proto.op_type, attributes, inputs, outputs))
        return kernels

    def _tensor(self, name: str) -> TensorSpec | None:
        value = self._results.get(name)
        if not isinstance(value, np.ndarray):
            return None
        constant = name in self._evaluator.rt_inits_
        return TensorSpec(name, value.dtype.name, value.shape, constant)
