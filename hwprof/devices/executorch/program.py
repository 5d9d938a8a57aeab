"""A model lowered and loaded in ExecuTorch's runtime: running it, and profiling a second copy."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hwprof.convert.executorch.lower import example_inputs, lower
from hwprof.convert.executorch.plan import Plan
from hwprof.devices.base import ProfiledRun
from hwprof.devices.executorch.etdump import parse_etdump
from hwprof.devices.executorch.join import join, uncovered
from hwprof.devices.executorch.runtime import set_threads
from hwprof.devices.profiled_runs import time_profiled
from hwprof.devices.program import Program
from hwprof.devices.timing import time_runs
from hwprof.errors import DeviceError, MeasurementError, ModelError, one_line
from hwprof.models.base import Model
from hwprof.profile import Profile

# Runs before the profiled ones count: the first touches memory that later ones find in place.
PROFILE_WARMUP = 2
MAPPING = "by debug handles; XNNPACK's own operators by name and order"
_METHOD = "forward"
_ADVICE = "measure the model on another device, such as onnxruntime-cpu"


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A model as lowered into a file, what its operators are, and what it is fed."""

    name: str
    file: Path
    plan: Plan
    inputs: tuple[Any, ...]


def lowered(
    runtime: ModuleType, model: Model, backend: str, precision: str, folder: Path
) -> Lowered:
    """Lower a model into a file in `folder`.

    Raises ModelError or DeviceError, naming the operators that executorch lacks.
    """
    inputs = example_inputs(model)
    file = folder / "model.pte"
    try:
        plan = lower(runtime, model, inputs, backend, precision, file)
    except OSError as error:
        raise DeviceError(
            f"the lowered model does not fit in the temporary folder ({error.strerror}); "
            "free some space there"
        ) from error
    return Lowered(model.path.name, file, plan, inputs)


class ExecuTorchProgram(Program):
    """One lowered program in a file, fed the same values at every run."""

    def __init__(self, runtime: ModuleType, source: Lowered, threads: int) -> None:
        """Raises ModelError when the runtime does not load it."""
        self._runtime = runtime
        self._name = source.name
        self._file = source.file
        self._plan = source.plan
        self._inputs = source.inputs
        self._threads = threads
        self._program: Any = None
        self._method: Any = None
        self._load(traced=False)

    def _load(self, traced: bool) -> None:
        set_threads(self._runtime, self._threads)
        try:
            self._program = self._runtime._load_program(str(self._file), enable_etdump=traced)
            self._method = self._program.load_method(_METHOD)
            # The tensors are handed over, not copied: the program reads them at every run.
            self._method.set_inputs(self._inputs)
        except Exception as error:  # the binding raises RuntimeError with a number in it
            raise ModelError(
                f"executorch lowers '{self._name}' but does not load it ({one_line(error)}); "
                f"{_ADVICE}"
            ) from error

    def run(self) -> object:
        return self._method.execute()

    def outputs(self) -> Sequence[np.ndarray]:
        self._method.execute()
        return [value.numpy() for value in self._method.get_outputs(True)]

    def profile(self, runs: int) -> ProfiledRun:
        # The timed copy goes first: two copies of the weights may not fit.
        self.close()
        self._load(traced=True)
        time_runs(self.run, PROFILE_WARMUP, 1, self._threads)
        timed = time_profiled(self.run, runs, self._threads)
        traced = parse_etdump(self._dump(), len(timed))
        self.close()
        if any(run.total_s > wall for run, wall in zip(traced, timed.wall_s, strict=True)):
            raise DeviceError(
                "executorch's profile counts more time than passed, so its unit is unknown here; "
                "use --no-per-op"
            )
        kernels = join(self._plan, traced)
        left = uncovered(self._plan, kernels)
        profile = Profile.timed(kernels, timed, left)
        return ProfiledRun(profile, weights_bytes=self._plan.weights_bytes, mapping=MAPPING)

    def _dump(self) -> bytes:
        dump = self._file.with_suffix(".etdp")
        self._program.write_etdump_result_to_file(str(dump), str(dump.with_suffix(".debug")))
        if not dump.exists():
            raise DeviceError(
                "this build of executorch records no events; "
                "install the wheel of its authors, or use --no-per-op"
            )
        return dump.read_bytes()

    def explain(self, error: Exception) -> MeasurementError:
        return MeasurementError(
            f"'{self._name}' loads but does not run in executorch: {one_line(error)}; {_ADVICE}"
        )

    def close(self) -> None:
        self._method = None
        self._program = None
        gc.collect()
