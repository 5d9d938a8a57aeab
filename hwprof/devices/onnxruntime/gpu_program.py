"""A model opened in ONNX Runtime on a GPU: nothing may fall back to the processor unseen."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hwprof.devices.base import ProfiledRun
from hwprof.devices.gpu.memory import out_of_memory, ran_out
from hwprof.devices.onnxruntime.runtime import provider_library, short_reason
from hwprof.devices.onnxruntime.session import OnnxRuntimeProgram
from hwprof.errors import DeviceError, HwprofError, ModelError
from hwprof.machine.host import MemoryReading
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of

CPU = "CPUExecutionProvider"
NAMED = 5
"""So many nodes are named in an error; the rest are counted."""


class OnnxRuntimeGpuProgram(OnnxRuntimeProgram):
    """One model in one session of a GPU's execution provider.

    Timed with the host's clock: ONNX Runtime waits for the GPU at the end of every run, and a user
    waits with it. `place` is the memory, `cuda` for a GPU's, that inputs and outputs stay in, so
    that no copy is part of a run; None has them copied from and to the host. `profiles` is the
    reason why there is no per-kernel profile, or empty.
    """

    mapping = (
        "by tensor names, from the outputs backwards; launches wait for their kernels, and the "
        "wait is in the figures"
    )

    def __init__(
        self,
        runtime: ModuleType,
        model: Model,
        level: str,
        provider: str,
        options: Mapping[str, str],
        *,
        index: int,
        place: str | None,
        fallback: bool,
        profiles: str = "",
    ) -> None:
        """Raises ModelError when the model does not run on the GPU alone, DeviceError when the
        provider does not start."""
        super().__init__(runtime, model, (level, 1, True), provider, None)
        self._options = dict(options)
        self._index = index
        self._place = place
        self._fallback = fallback
        self._profiles = profiles
        self._binding: Any = None
        self.reopen(self.session_options())

    @property
    def accepted(self) -> frozenset[str]:
        return frozenset({self._provider, CPU} if self._fallback else {self._provider})

    def session_options(self) -> Any:
        options = super().session_options()
        # Which provider got which node is then known without a run.
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        return options

    def reopen(self, options: Any) -> None:
        name, runtime = self._model.path.name, self._runtime
        try:
            opened = runtime.InferenceSession(
                str(self._model.path),
                options,
                providers=[(self._provider, self._options)],
                # Otherwise a failing run is repeated on the processor, and timed there.
                enable_fallback=0,
            )
        except Exception as error:  # the binding raises a dozen types with no common base
            text = str(error)
            if ran_out(text):
                raise out_of_memory(name, text) from error
            if "install TensorRT libraries" in text or "CUDA" in text.partition(":")[0]:
                raise self._unusable() from error
            raise ModelError(
                f"onnxruntime {runtime.__version__} cannot open '{name}' with {self._provider}: "
                f"{short_reason(error)}; export it for operators that this provider supports"
            ) from error
        if self._provider not in opened.get_providers():
            raise self._unusable()
        self._check_settings(opened)
        if not self._fallback:
            refuse_strays(opened, self._provider, name)
        self._opened = opened
        if self._place is not None:
            self._bind(self._place)

    def _check_settings(self, opened: Any) -> None:
        """Raise DeviceError where the provider took another setting than it was given."""
        taken = opened.get_provider_options().get(self._provider, {})
        for key, value in self._options.items():
            if key in taken and taken[key] != value:
                raise DeviceError(
                    f"{self._provider} runs with {key}={taken[key]} although {value} was asked "
                    "for; choose another option, or update onnxruntime-gpu"
                )

    def _unusable(self) -> DeviceError:
        reason = missing_library(self._runtime, self._provider)
        return DeviceError(
            f"{self._provider} of onnxruntime {self._runtime.__version__} does not start"
            f"{f' ({reason})' if reason else ''}; install the versions of CUDA, cuDNN and "
            "TensorRT that this onnxruntime-gpu was built for"
        )

    def _bind(self, place: str) -> None:
        binding = self._opened.io_binding()
        for name, array in tensors_of(self._model).items():
            value = self._runtime.OrtValue.ortvalue_from_numpy(array, place, self._index)
            binding.bind_ortvalue_input(name, value)
        for output in self._opened.get_outputs():
            binding.bind_output(output.name, place, self._index)
        self._binding = binding

    def run(self) -> object:
        if self._binding is None:
            return super().run()
        return self._opened.run_with_iobinding(self._binding)

    def outputs(self) -> Sequence[np.ndarray]:
        if self._binding is None:
            return super().outputs()
        self.run()
        outputs: list[np.ndarray] = self._binding.copy_outputs_to_cpu()
        return outputs

    def accelerator_peak(self) -> MemoryReading:
        return MemoryReading(None, "ONNX Runtime counts its GPU memory only while profiling")

    def explain(self, error: Exception) -> HwprofError:
        if ran_out(str(error)):
            return out_of_memory(self._model.path.name, str(error))
        return super().explain(error)

    def profile(self, runs: int) -> ProfiledRun:
        if self._profiles:
            raise DeviceError(self._profiles)
        return super().profile(runs)

    def close(self) -> None:
        self._binding = None
        super().close()


def refuse_strays(opened: Any, provider: str, model: str) -> None:
    """Raise ModelError naming the nodes that another provider than `provider` got.

    Needs the session option `session.record_ep_graph_assignment_info` (onnxruntime 1.24).
    """
    strays = [
        f"'{node.name}' ({node.op_type})"
        for part in opened.get_provider_graph_assignment_info()
        for node in part.get_nodes()
        if part.ep_name != provider
    ]
    if strays:
        more = len(strays) - NAMED
        listed = ", ".join(strays[:NAMED]) + (f" and {more} more" if more > 0 else "")
        raise ModelError(
            f"{provider} leaves {len(strays)} nodes of '{model}' to the processor: {listed}; "
            "accept that with fallback=allow, or export the model without them"
        )


def missing_library(runtime: ModuleType, provider: str) -> str:
    """Why a provider's own library does not load; empty where that is not what fails."""
    found = provider_library(Path(str(runtime.__file__)).parent, provider)
    if not found.exists():
        return f"this build has no {found.name}"
    try:
        ctypes.CDLL(str(found))
    except OSError as error:
        # An undefined symbol only means that it was loaded without ONNX Runtime around it.
        return "" if "undefined symbol" in str(error) else str(error).strip()
    return ""
