"""From TensorRT's layers to kernels, and back to the nodes of the ONNX file.

The engine inspector describes each layer in JSON. `Metadata` names the nodes it was made of as
`[ONNX Layer: name]`, one after the other with control characters between them. Version 10 says
`Format/Datatype` of a tensor, version 11 has two fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwprof.errors import DeviceError
from hwprof.graph import Kernel, TensorSpec
from hwprof.profile import KernelOccurrence, Profile
from hwprof.samples import FloatArray

DOMAIN = "com.nvidia.tensorrt"
_NODE = re.compile(r"\[ONNX Layer: ([^\x1e\x1f]*?)\](?=[\x1e\x1f\[]|$)")
# They say where a layer stands, not what it costs.
_PLACE = frozenset(
    {"Name", "Metadata", "Inputs", "Outputs", "LayerType", "StreamId", "TacticValue"}
)
_DTYPES = (
    ("bf16", "bfloat16"),
    ("bfloat16", "bfloat16"),
    ("fp16", "float16"),
    ("half", "float16"),
    ("fp8", "float8"),
    ("int64", "int64"),
    ("int32", "int32"),
    ("int8", "int8"),
    ("int4", "int4"),
    ("uint8", "uint8"),
    ("bool", "bool"),
    ("fp32", "float32"),
    ("float", "float32"),
)


def layers_of(description: str) -> list[Mapping[str, Any]]:
    """The layers of the inspector's JSON. Raises DeviceError when it has another form."""
    try:
        layers = json.loads(description)["Layers"]
        return [layer if isinstance(layer, dict) else {"Name": str(layer)} for layer in layers]
    except (ValueError, KeyError, TypeError) as error:
        raise DeviceError(
            f"TensorRT describes its engine in a form that cannot be read ({error}); "
            "update hwprof, or use --no-per-op"
        ) from error


def build_profile(
    layers: Sequence[Mapping[str, Any]],
    reported: Sequence[Sequence[tuple[str, float]]],
    run_wall_s: FloatArray,
    sources: Sequence[str],
    with_work: Sequence[str],
) -> Profile:
    """A kernel per layer, in the order of the profiler.

    `reported` holds (layer, milliseconds) of each run, `sources` the names of all nodes of the
    model, `with_work` those that some layer must cover. A node is counted to the first layer that
    names it: TensorRT splits some in two. Raises DeviceError when runs differ in their layers.
    """
    names = [name for name, _ in reported[0]]
    if any([name for name, _ in run] != names for run in reported):
        raise DeviceError("TensorRT reported different layers from run to run; use --no-per-op")
    milliseconds = np.array([[ms for _, ms in run] for run in reported]).reshape(len(reported), -1)
    described = {str(layer.get("Name", "")): layer for layer in layers}
    free = dict.fromkeys(sources)
    taken: dict[str, int] = {}
    occurrences = []
    for position, name in enumerate(names):
        layer = described.get(name, {"Name": name})
        nodes = tuple(node for node in _nodes(layer) if node in free)
        for node in nodes:
            del free[node]
        taken[name] = taken.get(name, 0) + 1
        occurrences.append(
            KernelOccurrence(
                name=name if taken[name] == 1 else f"{name}#{taken[name]}",
                kernel=_kernel(layer),
                provider="TensorRT",
                durations_s=milliseconds[:, position] * 1e-3,
                source_nodes=nodes,
            )
        )
    return Profile(
        tuple(occurrences), run_wall_s, uncovered=tuple(node for node in with_work if node in free)
    )


def _nodes(layer: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(_NODE.findall(str(layer.get("Metadata", "")))))


def _kernel(layer: Mapping[str, Any]) -> Kernel:
    attributes = {
        key: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for key, value in layer.items()
        if key not in _PLACE
    }
    tensors = {kind: _tensors(layer.get(kind)) for kind in ("Inputs", "Outputs")}
    for kind, found in tensors.items():
        formats = [text for _, text in found]
        if any(formats):
            attributes[f"{kind} formats"] = "|".join(formats)
    if "LayerType" not in layer:
        # Nothing but a name is known, so that no other layer may pass for this one.
        attributes["name"] = str(layer.get("Name", ""))
    inputs, outputs = ([spec for spec, _ in found] for found in tensors.values())
    return Kernel(
        DOMAIN, str(layer.get("LayerType", "layer")), attributes, tuple(inputs), tuple(outputs)
    )


def _tensors(raw: object) -> list[tuple[TensorSpec, str]]:
    """Tensors with the layout that each has."""
    found = []
    for each in raw if isinstance(raw, list) else ():
        if isinstance(each, dict):
            words = [str(each[k]) for k in each if k.startswith(("Format", "DataType", "Datatype"))]
            text = " ".join(words)
            shape = tuple(int(size) for size in each.get("Dimensions", ()))
            found.append((TensorSpec(str(each.get("Name", "")), _dtype(text), shape), text))
    return found


def _dtype(text: str) -> str:
    lower = text.lower()
    return next((dtype for word, dtype in _DTYPES if word in lower), "opaque")
