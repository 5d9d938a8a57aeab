"""What hwprof asks of OpenVINO, and whether OpenVINO does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hwprof.devices.openvino.runtime_model import DTYPES, RuntimeNode
from hwprof.errors import DeviceError

TARGET = "CPU"

PRECISIONS: Mapping[str, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
"""Values of the option `precision`, by what OpenVINO's INFERENCE_PRECISION_HINT calls them."""

# What the plugin lists in OPTIMIZATION_CAPABILITIES where the processor computes in it.
_CAPABILITIES: Mapping[str, str] = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16"}

# Layers that carry values over: they run in whatever type these have.
_CARRYING = frozenset(
    {"Concatenation", "Convert", "Gather", "MemoryInput", "MemoryOutput", "Reorder", "Reshape"}
    | {"Split", "StridedSlice", "Tile", "Transpose"}
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a compiled model."""

    threads: int
    precision: str
    hint: str

    def properties(self, profiling: bool) -> Mapping[str, Any]:
        """Properties for `compile_model`.

        One stream, since one request runs at a time. Pinning and its kin are off, because the
        process is pinned already and must stay where it is. Activations are never quantised
        behind the back of whoever asked for a floating-point precision.
        """
        return {
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": self.hint.upper(),
            "INFERENCE_PRECISION_HINT": PRECISIONS[self.precision],
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "ENABLE_CPU_PINNING": False,
            "ENABLE_CPU_RESERVATION": False,
            "ENABLE_HYPER_THREADING": True,
            "PERF_COUNT": profiling,
        }


def refuse_unsupported(core: Any, precision: str) -> None:
    """Raise DeviceError when this processor does not compute in `precision`."""
    capabilities = {str(each) for each in core.get_property(TARGET, "OPTIMIZATION_CAPABILITIES")}
    if _CAPABILITIES[precision] not in capabilities:
        known = [word for word, each in _CAPABILITIES.items() if each in capabilities]
        raise DeviceError(
            f"openvino does not compute in {precision} on this processor; "
            f"use precision={' or precision='.join(known)}"
        )


def refuse_substitutes(
    compiled: Any, settings: Settings, nodes: Iterable[RuntimeNode], model: str
) -> None:
    """Raise DeviceError when a compiled model has other threads or another precision than asked.

    OpenVINO replaces a precision that the processor lacks by another one without a word. Single
    kernels may run in a wider type than asked, or in the integers of a quantised model.
    """
    threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))
    if threads != settings.threads:
        raise DeviceError(
            f"openvino takes no more than {threads} of the {settings.threads} threads asked for, "
            f"because this process may use no more processors; use threads={threads}"
        )
    wanted = PRECISIONS[settings.precision]
    taken = str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
    if taken != wanted:
        raise DeviceError(
            f"openvino takes {taken} for '{model}' where {wanted} was asked for; use precision=fp32"
        )
    computing = [n for n in nodes if n.is_kernel and n.kind not in _CARRYING]
    narrow = {word for word in PRECISIONS.values() if word != "f32"}
    # A model may hold narrow tensors; what widens one when it is read computes in the wide type.
    strangers = [
        n
        for n in computing
        if n.precision in narrow - {wanted}
        and any(spec is not None and spec.dtype == DTYPES[n.precision] for spec in n.outputs)
    ]
    if strangers:
        raise DeviceError(
            f"openvino runs the kernel '{strangers[0].name}' of '{model}' in "
            f"{strangers[0].precision} where {wanted} was asked for; use another precision"
        )
    if wanted in narrow and not any(n.precision == wanted for n in computing):
        raise DeviceError(f"openvino runs no kernel of '{model}' in {wanted}; use precision=fp32")
