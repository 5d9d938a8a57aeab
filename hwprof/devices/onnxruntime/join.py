"""Finds for every node of the optimised graph what the profiler recorded about it, and its shapes.

The optimised graph that ONNX Runtime saves has no shapes beyond its inputs, and shape inference
does not know the runtime's own operators; the profile has shapes but no tensors. Together they
have both: a shape travels from the node that wrote the tensor to those that read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.checker import ValidationError
from onnx.external_data_helper import load_external_data_for_tensor

from hwprof.devices.onnxruntime.trace import NodeTrace, Trace, TracedTensor
from hwprof.errors import MeasurementError, ModelError
from hwprof.graph import ITEM_BITS, TensorSpec
from hwprof.models.onnx.attributes import is_small_integer
from hwprof.models.onnx.elements import OPAQUE, onnx_dtype
from hwprof.models.onnx.graph import WEIGHTS_STAND_ALONE, subgraphs

Scope = dict[str, TensorSpec]


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A node of the optimised graph with its trace and the tensors it met.

    `path` is its index in the graph, `3/then_branch/0` inside a subgraph. `inputs` and `outputs`
    follow the node's own lists; None stands for an optional tensor that was left out.
    """

    path: str
    proto: NodeProto
    trace: NodeTrace
    position: int
    inputs: tuple[TensorSpec | None, ...]
    outputs: tuple[TensorSpec | None, ...]


def join(model: ModelProto, trace: Trace, folder: Path) -> tuple[tuple[Placed, ...], Scope]:
    """Join a trace with the optimised graph it belongs to.

    Returns the executed nodes in execution order, nested ones included, and every tensor of the
    main graph by name. `folder` is where the model's external data lies; only integer constants
    of at most 16 elements are ever read from it.

    Raises MeasurementError when the two do not belong together.
    """
    children: dict[int | None, dict[int, list[int]]] = {}
    for position, node in enumerate(trace.nodes):
        branches = children.setdefault(node.parent, {})
        branches.setdefault(node.branch, []).append(position)
    overridable = model.ir_version >= WEIGHTS_STAND_ALONE
    scope: Scope = {}
    joiner = _Joiner(trace, children, folder, overridable)
    placed = list(joiner.graph(model.graph, children.get(None, {}).get(0, []), scope, ""))
    placed.sort(key=lambda each: each.position)
    return tuple(placed), scope


def constants(graph: GraphProto, folder: Path, overridable: bool) -> Scope:
    """Tensors known before the graph runs: its inputs of fixed shape, and its initializers.

    An initializer that is also an input is a default since IR version 4, not a constant.
    Raises ModelError when the data of a small integer constant cannot be read.
    """
    scope: Scope = {}
    inputs = {i.name for i in graph.input}
    for each in graph.input:
        kind = each.type.tensor_type
        dims = kind.shape.dim
        if kind.HasField("shape") and all(d.HasField("dim_value") for d in dims):
            shape = tuple(d.dim_value for d in dims)
            scope[each.name] = TensorSpec(each.name, onnx_dtype(kind.elem_type), shape)
    for tensor in graph.initializer:
        constant = not (overridable and tensor.name in inputs)
        scope[tensor.name] = TensorSpec(
            tensor.name,
            onnx_dtype(tensor.data_type),
            tuple(tensor.dims),
            constant,
            _small_value(tensor, folder) if constant else None,
        )
    for sparse in graph.sparse_initializer:
        name = sparse.values.name
        scope[name] = TensorSpec(
            name, onnx_dtype(sparse.values.data_type), tuple(sparse.dims), True
        )
    return scope


def _small_value(tensor: TensorProto, folder: Path) -> tuple[int, ...] | None:
    if not is_small_integer(tensor):
        return None
    if tensor.data_location == TensorProto.EXTERNAL:
        try:
            load_external_data_for_tensor(tensor, str(folder))
        except (OSError, ValueError, ValidationError) as error:
            raise ModelError(
                f"the constant '{tensor.name}' of the model cannot be read: {error}; keep the "
                "model's data files beside it."
            ) from error
    return tuple(numpy_helper.to_array(tensor).ravel().tolist())


@dataclass(frozen=True, slots=True, eq=False)
class _Joiner:
    trace: Trace
    children: dict[int | None, dict[int, list[int]]]
    folder: Path
    overridable: bool

    def graph(
        self, graph: GraphProto, positions: Sequence[int], scope: Scope, prefix: str
    ) -> Iterator[Placed]:
        """Join one graph with the traced nodes at `positions`; fills `scope` as it goes."""
        scope.update(constants(graph, self.folder, self.overridable))
        slots: dict[int, list[int]] = {}
        for position in positions:
            slots.setdefault(self.trace.nodes[position].slot, []).append(position)
        # The variants of one slot differ in shape only; the first stands for all of them.
        leaders = [slots[slot] for slot in sorted(slots)]
        matcher = _Matcher(graph.node, [self.trace.nodes[group[0]] for group in leaders])
        for index, node in enumerate(graph.node):
            group = leaders[matcher.take(index, scope)]
            for position in group:
                traced = self.trace.nodes[position]
                inputs = _inputs(node, traced, scope)
                outputs = _outputs(node, traced)
                if position == group[0]:
                    # The leaders of all slots ran in one pass: their shapes fit each other.
                    met = [t for t in (*inputs, *outputs) if t is not None]
                yield Placed(f"{prefix}{index}", node, traced, position, inputs, outputs)
            scope.update((t.name, t) for t in met)
            yield from self.inside(node, group, scope, f"{prefix}{index}")

    def inside(
        self, node: NodeProto, group: Sequence[int], scope: Scope, path: str
    ) -> Iterator[Placed]:
        """Join the subgraphs of a control-flow node as far as they ran."""
        for position in group:
            for positions in self.children.get(position, {}).values():
                for name, graph in subgraphs(node):
                    if self._fits(graph, positions):
                        yield from self.graph(graph, positions, dict(scope), f"{path}/{name}/")
                        break
                else:
                    raise MeasurementError(
                        f"the profile has nodes inside '{node.name or node.op_type}' that none of "
                        "its subgraphs holds; profile and optimised graph must be of one session."
                    )

    def _fits(self, graph: GraphProto, positions: Sequence[int]) -> bool:
        leaders = {self.trace.nodes[p].slot: self.trace.nodes[p] for p in reversed(positions)}
        traced = [leaders[slot] for slot in sorted(leaders)]
        if len(traced) != len(graph.node):
            return False
        for node in graph.node:
            fitting = next((t for t in traced if _compatible(node, t)), None)
            if fitting is None:
                return False
            traced.remove(fitting)
        return True


class _Matcher:
    """Decides which traced node belongs to which node of a graph.

    A session runs the main graph in the order in which it saved it, but for parallel execution;
    the order inside subgraphs may differ. Then name and operator decide, between equals the
    shapes of the inputs, and last the runtime's own numbers.
    """

    def __init__(self, nodes: Sequence[NodeProto], traced: Sequence[NodeTrace]) -> None:
        self.nodes = nodes
        self.traced = traced
        if len(nodes) != len(traced):
            raise MeasurementError(
                f"the profile has {len(traced)} nodes where the optimised graph has {len(nodes)}; "
                "profile and optimised graph must be of one session."
            )
        self.in_order = all(map(_compatible, nodes, traced))
        numbers = [each.node_index or 0 for each in traced]
        self.free = dict.fromkeys(sorted(range(len(traced)), key=numbers.__getitem__))
        self.named = {(node.name, node.op_type) for node in nodes if node.name}

    def take(self, index: int, scope: Scope) -> int:
        if self.in_order:
            return index
        node = self.nodes[index]
        fitting = [i for i in self.free if _compatible(node, self.traced[i])]
        if not node.name:
            # `Conv_3` may also be the given name of another node: leave it to that one.
            spare = [
                i for i in fitting if (self.traced[i].name, self.traced[i].op) not in self.named
            ]
            fitting = spare or fitting
        best = next((i for i in fitting if _agrees(node, self.traced[i], scope)), None)
        if best is None and len(fitting) == 1:
            # Its name and operator leave no choice, whatever is known of its tensors.
            best = fitting[0]
        if best is None:
            raise MeasurementError(
                f"the profile has no node that matches '{node.name or node.op_type}' (number "
                f"{index}) of the optimised graph; both must be of one session."
            )
        del self.free[best]
        return best


def _compatible(node: NodeProto, traced: NodeTrace) -> bool:
    if traced.op not in ("", node.op_type):
        return False
    if node.name:
        return node.name == traced.name
    if traced.node_index is not None:
        return traced.name == f"{node.op_type}_{traced.node_index}"
    return re.fullmatch(re.escape(node.op_type) + r"_\d+", traced.name) is not None


def _agrees(node: NodeProto, traced: NodeTrace, scope: Scope) -> bool:
    names = [name for name in node.input if name]
    return not traced.inputs or _fit(names, traced.inputs, scope) is not None


def _same(known: TensorSpec | None, traced: TracedTensor) -> bool:
    if known is None or known.dtype == OPAQUE:
        return True
    comparable = known.dtype in ITEM_BITS and traced.dtype in ITEM_BITS
    return known.shape == traced.shape and (not comparable or known.dtype == traced.dtype)


def _fit(
    names: Sequence[str], traced: Sequence[TracedTensor], scope: Scope
) -> dict[str, TracedTensor] | None:
    """Which traced tensor is which input, or None. Packed weights are missing from the trace."""
    if len(names) == len(traced):
        if all(_same(scope.get(name), t) for name, t in zip(names, traced, strict=True)):
            return dict(zip(names, traced, strict=True))
        return None
    if len(names) < len(traced):
        return None
    known = scope.get(names[0])
    if traced and _same(known, traced[0]):
        rest = _fit(names[1:], traced[1:], scope)
        if rest is not None:
            return {names[0]: traced[0], **rest}
    if known is not None and (known.constant or known.dtype == OPAQUE):
        return _fit(names[1:], traced, scope)
    return None


def _inputs(node: NodeProto, traced: NodeTrace, scope: Scope) -> tuple[TensorSpec | None, ...]:
    names = [name for name in node.input if name]
    if len(names) == len(traced.inputs):
        # Also when the scope disagrees: a tensor in a loop changes shape from turn to turn.
        met = dict(zip(names, traced.inputs, strict=True))
    else:
        met = _fit(names, traced.inputs, scope) or _by_variable(names, traced.inputs, scope)
    return tuple(
        _spec(name, met.get(name), scope.get(name)) if name else None for name in node.input
    )


def _by_variable(
    names: Sequence[str], traced: Sequence[TracedTensor], scope: Scope
) -> dict[str, TracedTensor]:
    """The inputs that are no constants, where these are as many as were traced."""
    variable = [n for n in names if (known := scope.get(n)) is None or not known.constant]
    return dict(zip(variable, traced, strict=True)) if len(variable) == len(traced) else {}


def _spec(name: str, met: TracedTensor | None, known: TensorSpec | None) -> TensorSpec:
    if known is None:
        known = TensorSpec(name, OPAQUE, ())
    if met is None or known.constant:
        return known
    return replace(known, dtype=met.dtype, shape=met.shape)


def _outputs(node: NodeProto, traced: NodeTrace) -> tuple[TensorSpec | None, ...]:
    # Sequences are not traced; they follow the plain tensors in no known operator.
    met = iter(traced.outputs)
    specs: list[TensorSpec | None] = []
    for name in node.output:
        tensor = next(met, None) if name else None
        if tensor is not None:
            specs.append(TensorSpec(name, tensor.dtype, tensor.shape))
        else:
            specs.append(TensorSpec(name, OPAQUE, ()) if name else None)
    return tuple(specs)
