"""What a model's outputs should be, and how far its own roundings move them.

The reference of an ONNX model is ONNX Runtime without optimisation: the graph as the file has it,
node by node. Optimised, it computes some models otherwise (products with weights of 4 bits, which
it then computes in 8), so that only where both agree it is beyond doubt. Each answer is found once
per model, and only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hwprof.convert.evaluate import evaluated
from hwprof.devices.scratch import scratch_folder
from hwprof.errors import HwprofError, ModelError
from hwprof.models.base import Model
from hwprof.models.onnx.jitter import jittered_copy
from hwprof.profiler.verdict import Outputs, Spread, spreads_of
from hwprof.targets.base import Target
from hwprof.targets.worker import WorkerTarget

T = TypeVar("T")

PLAIN_GRAPH = "onnxruntime-cpu:opt=none"
OPTIMISED_GRAPH = "onnxruntime-cpu"
EAGER = "torch-cpu"
# Runs of a model whose roundings are left to chance: the distance is a root mean square of them.
DRAWS = 6
# It is slow, and started anew for each.
EVALUATED_DRAWS = 3


def _evaluated(model: Model, precision: str, folder: Path) -> list[Outputs]:
    """Draws by onnx's evaluator. Raises DeviceError where it gives none."""
    draws = []
    for seed in range(1, EVALUATED_DRAWS + 1):
        moved = jittered_copy(model, precision, folder, seed)
        if moved is not None:
            draws.append(evaluated(moved, folder))
    return draws


class Truth:
    """Answers about one model at a time: outputs may be large, and devices take turns on each.

    An answer is a reason, a text, where there is none.
    """

    def __init__(self, reference: Target | None = None, timeout_s: float | None = None) -> None:
        """`reference` stands in for every device that is asked, each within `timeout_s` a call."""
        self._target = reference
        self._timeout_s = timeout_s
        self._model = ""
        self._known: dict[str, object] = {}

    def plain(self, model: Model) -> Outputs | str:
        """Outputs of the graph as it stands in the file, or of the program run eagerly."""
        device = EAGER if model.format == "torch" else PLAIN_GRAPH
        return self._once(model, "plain", lambda: self._run(device, model))

    def optimised(self, model: Model) -> Outputs | str:
        """Outputs of ONNX Runtime's optimised graph."""
        return self._once(model, "optimised", lambda: self._run(OPTIMISED_GRAPH, model))

    def evaluator(self, model: Model) -> Outputs | str:
        """Outputs by onnx's `ReferenceEvaluator`, where it knows every operator, in time."""

        def find() -> Outputs:
            with scratch_folder() as folder:
                return evaluated(model, Path(folder))

        return self._once(model, "evaluator", find)

    def spreads(self, model: Model, precision: str, wanted: Outputs) -> tuple[Spread, ...] | str:
        """How far roundings move each tensor of the outputs, on a device of `precision`."""

        def find() -> tuple[Spread, ...] | str:
            if model.format != "onnx":
                return "this is tried out on ONNX models alone"
            with scratch_folder() as folder:
                moved = jittered_copy(model, precision, Path(folder))
                if moved is None:
                    return "no tensor of it is rounded"
                try:
                    with self._at(PLAIN_GRAPH).start(moved) as run:
                        draws = [run.outputs() for _ in range(DRAWS)]
                except ModelError:  # no kernels for its types
                    draws = _evaluated(model, precision, Path(folder))
            found = spreads_of(draws, wanted)
            return found or "rounding changes its shapes, or makes numbers infinite"

        return self._once(model, f"spreads {precision}", find)

    def _at(self, device: str) -> Target:
        return self._target or WorkerTarget(device, timeout_s=self._timeout_s)

    def _run(self, device: str, model: Model) -> Outputs:
        with self._at(device).start(model) as run:
            return run.outputs()

    def _once(self, model: Model, what: str, find: Callable[[], T]) -> T | str:
        if model.subject.key != self._model:
            self._model, self._known = model.subject.key, {}
        if what not in self._known:
            try:
                self._known[what] = find()
            except HwprofError as error:
                self._known[what] = str(error)
        known: T | str = self._known[what]  # type: ignore[assignment]
        return known
