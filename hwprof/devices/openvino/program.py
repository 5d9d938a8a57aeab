"""A model compiled by OpenVINO: running it, and profiling it in a second compilation."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import numpy as np

from hwprof.devices.base import ProfiledRun
from hwprof.devices.openvino.runtime import (
    import_runtime,
    memory_advice,
    out_of_memory,
    short_reason,
)
from hwprof.devices.openvino.runtime_model import read_runtime_model, weights_bytes
from hwprof.devices.openvino.settings import TARGET, Settings, refuse_substitutes
from hwprof.devices.profiled_runs import in_rounds
from hwprof.devices.program import Program
from hwprof.devices.timing import time_runs
from hwprof.errors import HwprofError, MeasurementError, ModelError
from hwprof.models.advice import to_open, to_run
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of
from hwprof.models.onnx.file import read_structure
from hwprof.models.onnx.functions import inlined
from hwprof.samples import Samples

# Runs before the profiled ones count: the first one allocates and touches the weights.
PROFILE_WARMUP = 2


def compile_model(core: Any, model: Model, settings: Settings, profiling: bool) -> Any:
    """Read a model, decide its input shapes and compile it.

    Raises ModelError with the reason OpenVINO does not take the model, DeviceError when it would
    run it otherwise than asked, MeasurementError when memory runs out.
    """
    name = model.path.name
    try:
        read = core.read_model(str(model.path))
        _decide_shapes(read, model)
        compiled = core.compile_model(read, TARGET, settings.properties(profiling))
    except HwprofError:
        raise
    except Exception as error:  # the binding raises RuntimeError and others with no common base
        if out_of_memory(error):
            raise MeasurementError(memory_advice(name)) from error
        version = import_runtime().__version__.partition("-")[0]
        advice = to_open(
            short_reason(error),
            "export it for operators and shapes that this version supports, "
            "or choose another device",
        )
        raise ModelError(
            f"openvino {version} cannot open '{name}': {short_reason(error)}; {advice}"
        ) from error
    refuse_substitutes(compiled, settings, read_runtime_model(compiled), name)
    return compiled


def _decide_shapes(read: Any, model: Model) -> None:
    """Give every input of a model that was read the shape that the subject decided."""
    wanted = {spec.name: spec.shape for spec in model.subject.inputs}
    shapes = {}
    for port in read.inputs:
        named = [name for name in port.get_names() if name in wanted]
        if not named:
            raise ModelError(
                f"openvino finds an input '{port.get_any_name()}' in '{model.path.name}' that the "
                "model does not declare; export the model again"
            )
        shape, partial = wanted[named[0]], port.get_partial_shape()
        if partial.is_dynamic or tuple(partial.to_shape()) != shape:
            shapes[named[0]] = list(shape)
    if shapes:
        read.reshape(shapes)


class OpenVinoProgram(Program):
    """One model in one infer request, which keeps the same values for every run."""

    def __init__(self, core: Any, model: Model, settings: Settings) -> None:
        """Raises what `compile_model` raises, and ModelError for inputs of an odd type."""
        self._core = core
        self._model = model
        self._settings = settings
        self._feed = tensors_of(model)
        self._compiled: Any = None
        self._request: Any = None
        self._compile(profiling=False)

    def _compile(self, profiling: bool) -> None:
        self._compiled = compile_model(self._core, self._model, self._settings, profiling)
        self._request = self._compiled.create_infer_request()
        tensor = import_runtime().Tensor
        for port in self._compiled.inputs:
            name = next(name for name in port.get_names() if name in self._feed)
            # The array is lent, not copied: `self._feed` keeps it alive.
            self._request.set_tensor(port, tensor(self._feed[name], shared_memory=True))

    def run(self) -> object:
        # Inputs are set; outputs stay in the request, where a caller would read them.
        return self._request.infer(None, share_outputs=True)

    def outputs(self) -> Sequence[np.ndarray]:
        self.run()
        return [_array(self._request.get_tensor(port)) for port in self._compiled.outputs]

    def explain(self, error: Exception) -> HwprofError:
        name = self._model.path.name
        if out_of_memory(error):
            return MeasurementError(memory_advice(name))
        return MeasurementError(
            f"'{name}' compiles but does not run: {short_reason(error)}; "
            f"{to_run(str(error), self._model.subject.inputs)}"
        )

    def profile(self, runs: int) -> ProfiledRun:
        # Imported here: they bring onnx, which timing does not need.
        from hwprof.devices.openvino.kernels import Report, build_profile

        # The timed model goes first: two copies of the weights may not fit.
        self.close()
        self._compile(profiling=True)
        reports: list[list[Report]] = []

        def time_some(more: int) -> Samples:
            timed = []
            for _ in range(more):
                timed.append(time_runs(self.run, 1, 1, self._settings.threads))
                # Every run's report is needed: each is a mean over all runs so far.
                reports.append(
                    [
                        Report(str(each.node_name), round(each.real_time.total_seconds() * 1e6))
                        for each in self._request.get_profiling_info()
                    ]
                )
            return Samples.concatenate(timed)

        time_some(PROFILE_WARMUP)
        samples = in_rounds(time_some, runs)
        nodes = read_runtime_model(self._compiled)
        self.close()
        profile = build_profile(
            inlined(read_structure(self._model.path)),
            self._model.subject.sha256[:16],
            nodes,
            reports,
            samples,
        )
        return ProfiledRun(
            profile,
            weights_bytes=weights_bytes(nodes),
            mapping="by layer names, and by slices between the tensors they name",
        )

    def close(self) -> None:
        self._request = None
        self._compiled = None
        gc.collect()


def _array(tensor: Any) -> np.ndarray:
    """A copy of a tensor; bfloat16, which NumPy lacks, becomes float32."""
    if tensor.get_element_type().get_type_name() == "bf16":
        bits = np.frombuffer(np.ascontiguousarray(tensor.data).tobytes(), np.uint16)
        # A bfloat16 is the upper half of a float32.
        return (bits.astype(np.uint32) << 16).view(np.float32).reshape(tuple(tensor.get_shape()))
    return np.array(tensor.data)
