"""Layers that ncnn ran, as kernels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwprof.convert.ncnn.conversion import Layer
from hwprof.devices.base import ProfiledRun
from hwprof.devices.profiled_runs import StepTimes
from hwprof.graph import Kernel, TensorSpec
from hwprof.models.base import Model
from hwprof.models.onnx.cover import nodes_with_work
from hwprof.models.onnx.file import read_structure
from hwprof.models.onnx.functions import inlined
from hwprof.profile import KernelOccurrence, Profile

DOMAIN = "com.tencent.ncnn"
PROVIDER = "CPU"
MAPPING = "none: pnnx keeps no names of the model file"

# Real parameters (bounds, slopes, scalars) change the numbers that come out, never how long it
# takes; scales of a resize show in its shapes.
_REAL = re.compile(r"=-?\d+\.\d")

# ncnn tells the width of its numbers, not their kind; nearly all are floating point.
_DTYPES = {32: "float32", 16: "float16", 8: "int8"}


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Layers `[n]` of one run, the tensors they wrote, and `r` timed runs."""

    layers: Sequence[Layer]
    mats: Mapping[str, Any]
    """ncnn's tensors, as they lie in memory, by name: inputs, and what each layer writes first."""
    times: StepTimes


def build_profile(model: Model, trace: Trace) -> ProfiledRun:
    """The trace as a profile. No kernel is led back to the model file: its nodes are uncovered."""
    tensors = {name: _tensor(mat) for name, mat in trace.mats.items()}
    packs = {name: int(mat.elempack) for name, mat in trace.mats.items()}
    for layer in trace.layers:
        # A Split hands out one tensor under many names.
        for name in layer.writes[1:]:
            tensors.setdefault(name, tensors[layer.writes[0]])
            packs.setdefault(name, packs[layer.writes[0]])
    occurrences = tuple(
        KernelOccurrence(layer.name, _kernel(layer, tensors, packs), PROVIDER, durations_s)
        for layer, durations_s in zip(trace.layers, trace.times.durations_s, strict=True)
    )
    uncovered = nodes_with_work(inlined(read_structure(model.path)))
    profile = Profile.timed(occurrences, trace.times.samples, uncovered)
    return ProfiledRun(profile, mapping=MAPPING)


def _kernel(layer: Layer, tensors: Mapping[str, TensorSpec], packs: Mapping[str, int]) -> Kernel:
    inputs = tuple(tensors[name] for name in layer.reads)
    outputs = tuple(tensors[name] for name in layer.writes)
    attributes = {
        "parameters": " ".join(p for p in layer.parameters if not _REAL.search(p)),
        # Numbers that lie together in memory; unequal ones are repacked first, which costs.
        "packs": ",".join(str(packs[name]) for name in (*layer.reads, *layer.writes)),
        "outputs": ",".join(t.describe() for t in outputs),
    }
    return Kernel(DOMAIN, layer.kind, attributes, inputs, outputs)


def _tensor(mat: Any) -> TensorSpec:
    """Type and shape of one of ncnn's tensors, unpacked, the batch first where there is one."""
    sizes = {1: (mat.w,), 2: (mat.h, mat.w), 3: (mat.c, mat.h, mat.w)}.get(
        mat.dims, (mat.c, mat.d, mat.h, mat.w)
    )
    # The outermost dimension is the packed one.
    shape = (sizes[0] * mat.elempack, *sizes[1:])
    if mat.n > 1:
        shape = (mat.n, *shape)
    return TensorSpec("", _DTYPES.get(mat.elembits(), "opaque"), shape)
