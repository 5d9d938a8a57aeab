"""The device `onnx-reference`: ONNX's reference evaluator, operator by operator in NumPy."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from hwprof.devices import plugin
from hwprof.devices.plugin import Availability, DeclaredDevice, Model, Program, Runtime


@dataclass(frozen=True, slots=True)
class OnnxReference(DeclaredDevice):
    """The evaluator runs on one thread. Every other option would be one more field."""

    NAME: ClassVar[str] = "onnx-reference"
    threads: int = plugin.thread_count(most=1)

    @classmethod
    def availability(cls) -> Availability:
        return plugin.installed("pip install onnx", "onnx")

    def runtime(self) -> Runtime:
        # What computes here is NumPy, so its version is part of the device.
        version, build = importlib.metadata.version("onnx"), f"numpy {np.__version__}"
        return Runtime("onnx.reference", version, build, provider="numpy")

    def open_model(self, model: Model) -> plugin.ProgramSession:
        return plugin.ProgramSession(model, self.threads, lambda: Evaluation(model))


class Evaluation(Program):
    """A model and its inputs."""

    def __init__(self, model: Model) -> None:
        # A runtime is imported no sooner than it is needed: listing devices stays quick.
        from onnx.reference import ReferenceEvaluator

        try:
            self._evaluator: Any = ReferenceEvaluator(str(model.path))
        except Exception as error:  # parsing, unknown operators: no common base
            raise plugin.ModelError(
                f"onnx.reference cannot open '{model.path.name}': {plugin.one_line(error)}; "
                "export it again, or measure it on another device"
            ) from error
        self._feed = plugin.feed_of(model)

    def run(self) -> object:
        return self._evaluator.run(None, self._feed)

    def outputs(self) -> Sequence[np.ndarray]:
        return [np.asarray(value) for value in self._evaluator.run(None, self._feed)]

    def profile(self, runs: int) -> plugin.ProfiledRun:
        """Each node is a kernel, timed where the evaluator would run it."""
        nodes, constants = self._evaluator.rt_nodes_, self._evaluator.rt_inits_
        results: dict[str, Any] = {"": None, **constants, **self._feed}
        times = plugin.time_in_order([partial(compute, node, results) for node in nodes], runs)
        tensors = {n: plugin.tensor_of(n, value, n in constants) for n, value in results.items()}
        occurrences = tuple(
            plugin.KernelOccurrence(
                name=node.onnx_node.name or node.output[0],
                kernel=plugin.onnx_kernel(
                    node.onnx_node,
                    tensors,
                    "onnx.reference",
                    self._evaluator.opsets[node.onnx_node.domain],
                ),
                provider="numpy",
                durations_s=durations_s,
                # Here every kernel is a node of the file; a fusing runtime lists several.
                source_nodes=(node.onnx_node.name,) if node.onnx_node.name else (),
            )
            for node, durations_s in zip(nodes, times.durations_s, strict=True)
        )
        profile = plugin.Profile.timed(occurrences, times.samples)
        return plugin.ProfiledRun(profile, mapping="every kernel is a node of the file")


def compute(node: Any, results: dict[str, Any]) -> None:
    """Compute a node from the results so far, and add its own."""
    outer = {"context": results} if node.need_context() else {}
    found = node.run(*(results[name] for name in node.input), **outer)
    results.update(zip(node.output, found, strict=False))
