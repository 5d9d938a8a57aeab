"""From what ONNX Runtime leaves behind (optimised graph and profile) to the kernels of a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import GraphProto, ModelProto, NodeProto

from hwprof.devices.onnxruntime.hints import named_tensor, steps_of
from hwprof.devices.onnxruntime.join import Placed, Scope, join
from hwprof.devices.onnxruntime.memory_plan import planned_activation_bytes
from hwprof.devices.onnxruntime.never_entered import never_entered
from hwprof.devices.onnxruntime.trace import Trace, parse_profile
from hwprof.devices.profiled_runs import part_of
from hwprof.graph import ITEM_BITS, Graph, Kernel, Node, TensorSpec
from hwprof.models.onnx.attributes import canonical_attributes
from hwprof.models.onnx.cover import cover
from hwprof.models.onnx.elements import OPAQUE, onnx_dtype
from hwprof.models.onnx.file import parse, read_structure
from hwprof.models.onnx.functions import expand
from hwprof.models.onnx.graph import reads, subgraphs
from hwprof.profile import KernelOccurrence, Profile
from hwprof.samples import Samples

# Operators whose output shape hangs on the *values* of some inputs (by position).
_SHAPED_BY: Mapping[str, tuple[int, ...]] = {
    "Compress": (1,),
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "NonMaxSuppression": (0, 1),
    "NonZero": (0,),
    "OneHot": (1,),
    "Pad": (1, 3),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (2, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Unique": (0,),
    "Upsample": (1,),
}

_LOOPS = frozenset({"Loop", "Scan", "SequenceMap"})

# Small integer constants are zero points and biases there, and decide no cost.
_QUANTISED = ("QLinear", "Quantize", "Integer", "QGemm", "QAttention", "MatMulNBits", "QOrdered")


@dataclass(frozen=True, slots=True)
class Extras:
    """What profiling told besides the profile."""

    graph: Graph
    """The main optimised graph; the nodes of its subgraphs are not in it."""
    providers: frozenset[str]
    """Every execution provider that ran a node."""
    arena_peak_bytes: int | None
    """Most memory the runtime's arena had in use, in the profiled session."""
    weights_bytes: int | None
    """All initializers of the optimised graph; None when one has a type without a size."""
    planned_activation_bytes: int | None
    """Simulated peak of live activations; None when a tensor has no known size."""


def build_profile(
    source_model_path: Path,
    optimised_model_path: Path,
    trace_path: Path,
    *,
    samples: Samples,
    warmup: int = 0,
) -> tuple[Profile, Extras]:
    """Kernels of a model in execution order, timed over the runs of a session after `warmup`.

    `samples` are all runs of the session, those of the warm-up first. Where the runtime recorded
    fewer, the profile has fewer. The optimised graph must be the one that the profiled session
    itself wrote. A kernel inside a loop holds the sum of its calls in a run. `node_cost_s` is left
    None. Weights are not loaded when they lie outside the model files.

    Raises ModelError when a model file cannot be read, MeasurementError when the profile cannot,
    holds no complete run, or does not belong to the optimised graph.
    """
    trace = parse_profile(trace_path, len(samples) - warmup, warmup)
    kept = part_of(samples, trace.first_run, trace.first_run + len(trace.run_s))
    optimised = parse(optimised_model_path)
    source, calls = expand(read_structure(source_model_path))
    placed, scope = join(optimised, trace, optimised_model_path.parent)
    coverage = cover(source, steps_of(optimised.graph, calls), named_tensor)
    kernels = [_kernel(each, optimised) for each in placed]
    names = _unique_names(placed, trace)
    occurrences = tuple(
        KernelOccurrence(
            name=name,
            kernel=kernel,
            provider=each.trace.provider,
            durations_s=each.trace.durations_s,
            source_nodes=coverage.nodes.get(each.path, ()),
            calls=int(each.trace.calls[-1]),
            passes=each.trace.passes,
        )
        for name, kernel, each in zip(names, kernels, placed, strict=True)
    )
    profile = Profile.timed(occurrences, kept, coverage.uncovered, never_entered(placed, names))
    graph = _graph(optimised, placed, occurrences, scope, coverage.uncovered)
    return profile, Extras(
        graph=graph,
        providers=frozenset(each.trace.provider for each in placed if each.trace.provider),
        arena_peak_bytes=trace.arena_peak_bytes,
        weights_bytes=weights_bytes(optimised.graph),
        planned_activation_bytes=planned_activation_bytes(graph, _open_inputs(optimised.graph)),
    )


def recorded_nodes(optimised_model_path: Path) -> tuple[int, bool]:
    """Nodes of the optimised graph, each of which is an event of a run; whether some may repeat."""
    graph = parse(optimised_model_path).graph
    return _count(graph), _repeats(graph)


def _count(graph: GraphProto) -> int:
    return sum(1 + sum(_count(inner) for _, inner in subgraphs(node)) for node in graph.node)


def _repeats(graph: GraphProto) -> bool:
    return any(
        node.op_type in _LOOPS or any(_repeats(inner) for _, inner in subgraphs(node))
        for node in graph.node
    )


def weights_bytes(graph: GraphProto) -> int | None:
    """Bytes of all initializers by their declared shape, those of subgraphs included.

    What the runtime holds may be more: kernels keep packed copies of their weights.
    """
    total = 0
    for tensor in graph.initializer:
        dtype = onnx_dtype(tensor.data_type)
        nbytes = TensorSpec(tensor.name, dtype, tuple(tensor.dims)).nbytes
        if nbytes is None:
            return None
        total += nbytes
    for sparse in graph.sparse_initializer:
        bits = ITEM_BITS.get(onnx_dtype(sparse.values.data_type))
        if bits is None:
            return None
        stored = sparse.values.dims[0] if sparse.values.dims else 0
        total += stored * (bits // 8 + 8)  # a value and its 64-bit position
    for node in graph.node:
        for _, inner in subgraphs(node):
            nested = weights_bytes(inner)
            if nested is None:
                return None
            total += nested
    return total


def _open_inputs(graph: GraphProto) -> list[str]:
    """Inputs of which the graph leaves a dimension open."""
    return [
        each.name
        for each in graph.input
        if any(d.dim_value < 1 for d in each.type.tensor_type.shape.dim)
    ]


def _kernel(placed: Placed, model: ModelProto) -> Kernel:
    node = placed.proto
    opset = max((o.version for o in model.opset_import if o.domain == node.domain), default=1)
    inputs = placed.inputs
    if any(word in node.op_type for word in _QUANTISED):
        inputs = tuple(t and replace(t, value=None) for t in inputs)
    attributes = dict(canonical_attributes(node, inputs, opset))
    if _shape_is_open(node, inputs):
        attributes["out"] = "|".join("-" if t is None else t.describe() for t in placed.outputs)
    return Kernel(
        domain="" if node.domain == "ai.onnx" else node.domain,
        op=node.op_type,
        attributes=attributes,
        inputs=inputs,
        outputs=placed.outputs,
    )


def _shape_is_open(node: NodeProto, inputs: tuple[TensorSpec | None, ...]) -> bool:
    """Whether inputs and attributes leave the output's shape, and so the cost, undecided."""
    return any(
        tensor is not None and tensor.value is None and tensor.elements > 0
        for position in _SHAPED_BY.get(node.op_type, ())
        for tensor in inputs[position : position + 1]
    )


def _unique_names(placed: Iterable[Placed], trace: Trace) -> list[str]:
    """The profile's names, nested ones as `outer/inner`, repeated ones with `#2`, `#3`, ...

    The runtime numbers the nodes it adds (`ReorderInput_token_12`) differently at every start.
    """
    names: list[str] = []
    by_position: dict[int, str] = {}
    taken: dict[str, int] = {}
    for each in placed:
        outer = by_position.get(-1 if each.trace.parent is None else each.trace.parent)
        own = re.sub(r"_token_\d+$", "", each.trace.name)
        base = own if outer is None else f"{outer}/{own}"
        name = base
        while name in taken:
            taken[base] += 1
            name = f"{base}#{taken[base]}"
        taken[name] = 1
        by_position[each.position] = name
        names.append(name)
    return names


def _graph(
    model: ModelProto,
    placed: tuple[Placed, ...],
    occurrences: tuple[KernelOccurrence, ...],
    scope: Scope,
    uncovered: tuple[str, ...],
) -> Graph:
    nodes = tuple(
        Node(
            name=occurrence.name,
            kernel=occurrence.kernel,
            reads=tuple(reads(each.proto)),
            writes=tuple(filter(None, each.proto.output)),
            source_nodes=occurrence.source_nodes,
        )
        for each, occurrence in zip(placed, occurrences, strict=True)
        if each.trace.parent is None
    )
    weights = {t.name for t in model.graph.initializer}
    inputs = tuple(
        scope.get(i.name, TensorSpec(i.name, OPAQUE, ()))
        for i in model.graph.input
        if i.name not in weights
    )
    return Graph(inputs, tuple(o.name for o in model.graph.output), nodes, uncovered)
