"""The model as OpenVINO executes it: what its runtime model says of every node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hwprof.graph import TensorSpec

DTYPES: Mapping[str, str] = {
    "boolean": "bool",
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "bf16": "bfloat16",
    "f8e4m3": "float8",
    "f8e5m2": "float8",
    **{
        f"{short}{bits}": f"{long}{bits}"
        for short, long in (("i", "int"), ("u", "uint"))
        for bits in (4, 8, 16, 32, 64)
    },
}
"""OpenVINO's names of element types, as `hwprof.graph` calls them."""

# They hold or hand out data; they are never executed.
_STILL = frozenset({"Const", "Input", "Output"})
_REARRANGING = frozenset({"Reorder", "Reshape"})
# Kernels with graphs inside, which the profiler does not look into.
_NESTING = frozenset({"If", "Loop", "TensorIterator"})


@dataclass(frozen=True, slots=True)
class RuntimeNode:
    """One node of the runtime model.

    `producers` are the names of the nodes it reads, in the order of its inputs. An input or
    output is None where it was left out, or its shape is decided only while the model runs.
    """

    name: str
    kind: str
    """Its layer type: `Convolution`, `Reorder`, `Const`, ..."""
    primitive: str
    """The implementation chosen: `brgconv_avx512_1x1_f32`, `ref_any_f32`, ..."""
    precision: str
    """What it computes in: `f32`, `bf16`, `i8`, ..."""
    layers: tuple[str, ...]
    """Layers of the model that were fused into it, as OpenVINO names them."""
    layouts: str
    """Memory order of what it writes: `abcd`, `acdb`, ..."""
    producers: tuple[str, ...]
    inputs: tuple[TensorSpec | None, ...]
    outputs: tuple[TensorSpec | None, ...]
    read_layouts: tuple[str, ...]
    shapes_open: bool
    """Whether a shape is decided only while the model runs."""

    @property
    def is_kernel(self) -> bool:
        """Whether it may take time in a run."""
        return self.kind not in _STILL

    @property
    def is_input(self) -> bool:
        return self.kind == "Input"

    @property
    def is_constant(self) -> bool:
        return self.kind == "Const"

    @property
    def may_vanish(self) -> bool:
        """Whether it can be optimised away: it changes shape or layout, or has no implementation.

        The runtime model lists such nodes whether they run or not.
        """
        return self.kind in _REARRANGING or self.primitive.startswith(("unknown", "undef"))

    @property
    def nests(self) -> bool:
        """Whether it runs graphs of its own, of which nothing is told."""
        return self.kind in _NESTING


def read_runtime_model(compiled: Any) -> tuple[RuntimeNode, ...]:
    """Nodes of a compiled model's runtime model, in the order they are executed.

    Works with and without performance counters, before and after a run.
    """
    facts = [
        (node, {key: str(value.astype(str)) for key, value in node.get_rt_info().items()})
        for node in compiled.get_runtime_model().get_ordered_ops()
    ]
    layouts = {node.get_friendly_name(): info.get("outputLayouts", "") for node, info in facts}
    constant: set[str] = set()
    for node, info in facts:
        sources = [s.get_source_output().get_node().get_friendly_name() for s in node.inputs()]
        folded = bool(sources) and constant.issuperset(sources)
        if info.get("layerType") == "Const" or folded:
            constant.add(node.get_friendly_name())
    facts.sort(key=lambda fact: int(fact[1].get("execOrder", "0")))
    nodes = []
    for node, info in facts:
        sources = [each.get_source_output() for each in node.inputs()]
        producers = tuple(str(s.get_node().get_friendly_name()) for s in sources)
        inputs = tuple(
            _spec(s, constant=p in constant) for s, p in zip(sources, producers, strict=True)
        )
        nodes.append(
            RuntimeNode(
                name=str(node.get_friendly_name()),
                kind=info.get("layerType", ""),
                primitive=info.get("primitiveType", ""),
                precision=info.get("runtimePrecision", "").lower(),
                layers=tuple(filter(None, info.get("originalLayersNames", "").split(","))),
                layouts=info.get("outputLayouts", ""),
                producers=producers,
                inputs=inputs,
                outputs=tuple(_spec(each) for each in node.outputs()),
                read_layouts=tuple(layouts.get(p, "") for p in producers),
                shapes_open=any(
                    port.get_partial_shape().is_dynamic for port in (*sources, *node.outputs())
                ),
            )
        )
    return tuple(nodes)


def _spec(port: Any, constant: bool = False) -> TensorSpec | None:
    shape = port.get_partial_shape()
    if shape.is_dynamic:
        return None
    word = str(port.get_element_type().get_type_name())
    if word == "dynamic":  # stands for an optional input that was left out
        return None
    return TensorSpec("", DTYPES.get(word, word), tuple(shape.to_shape()), constant)


def weights_bytes(nodes: tuple[RuntimeNode, ...]) -> int | None:
    """Bytes of all constants of the runtime model.

    None when one has a type without a size, or lies in a graph inside a node. What the runtime
    holds may be more: kernels keep packed copies of their weights.
    """
    total = 0
    for node in nodes:
        if node.nests:
            return None
        if node.is_constant:
            for spec in filter(None, node.outputs):
                if spec.nbytes is None:
                    return None
                total += spec.nbytes
    return total
