"""From an ONNX file to a torch module: the walk over the graph."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from onnx import GraphProto, NodeProto, TensorProto, numpy_helper
from torch import fx

from hwprof.convert.torch import operators as operators  # fills the table
from hwprof.convert.torch.builder import SOURCE_NODES, Builder, Value
from hwprof.convert.torch.call import TABLE, Call
from hwprof.convert.torch.linear import Biased, biased_products
from hwprof.errors import ModelError
from hwprof.measurement import Subject
from hwprof.models.advice import to_run
from hwprof.models.onnx.elements import onnx_dtype
from hwprof.models.onnx.file import read_with_weights
from hwprof.models.onnx.graph import OWN_DOMAINS, node_names


def to_module(
    path: Path | str, subject: Subject, floats: torch.dtype = torch.float32
) -> fx.GraphModule:
    """The ONNX model at `path` as a torch module, for the input shapes of `subject`.

    The module takes one tensor for each of `subject.inputs`, in that order, and returns the
    model's outputs as a tuple. Weights are parameters, other constants buffers; what follows from
    shapes and constants is computed now, so that torch.compile and torch.export see a static
    graph. Each call stands for an ONNX node (`source_nodes` tells which), also after an export.

    `floats` is what float32 becomes throughout the model, its inputs included: torch.bfloat16 or
    torch.float16 for a model in that precision.

    Raises ModelError for a file that cannot be opened, and for an operator that has no
    converter or needs values that only a run decides, naming the operator and its node.
    """
    path = Path(path)
    proto = read_with_weights(path)
    build = Builder(floats)
    scope = _Scope(build, {o.domain: o.version for o in proto.opset_import})
    by_name = {value.name: value for value in proto.graph.input}
    for spec in subject.inputs:
        if spec.name not in by_name:
            raise ModelError(
                f"'{path.name}' has no input '{spec.name}'; measure the file that was described"
            )
        scope.values[spec.name] = build.input(spec.name, spec.shape, _dtype(spec.dtype, spec.name))
    scope.run(proto.graph, "")
    for output in proto.graph.output:
        if output.name in scope.unmade:
            scope.unmade[output.name].refuse("returns more than its conversion to torch gives")
        if output.name not in scope.values:
            raise ModelError(
                f"no node of '{path.name}' computes its output '{output.name}'; "
                "export or download it again"
            )
    return build.finish([scope.values[output.name] for output in proto.graph.output])


def source_nodes(node: fx.Node) -> tuple[str, ...]:
    """Names of the ONNX nodes that a call of the module, or of an export of it, stands for."""
    custom = node.meta.get("custom") or {}
    return tuple(str(name) for name in custom.get(SOURCE_NODES, ()))


class _Scope:
    """The tensors known so far, by their ONNX names."""

    def __init__(self, build: Builder, opsets: dict[str, int]) -> None:
        self.build = build
        self.opsets = opsets
        self.values: dict[str, Value] = {}
        self.unmade: dict[str, Call] = {}
        """Outputs that a converter left out, by name: nearly no model reads them."""

    def run(self, graph: GraphProto, prefix: str) -> None:
        """Convert the nodes of a graph. `prefix` stands before the names of a subgraph's nodes."""
        for tensor in graph.initializer:
            if tensor.name not in self.values:
                self.values[tensor.name] = self._constant(tensor)
        if graph.sparse_initializer:
            raise ModelError(
                "the model has sparse weights, which its conversion to torch does not know; "
                "save it with dense ones"
            )
        names = node_names(graph)
        products = biased_products(graph, self.values)
        fused = {biased.add for biased in products.values()}
        for index, node in enumerate(graph.node):
            if index in fused:
                continue
            biased = products.get(index)
            self._convert(node, prefix + names[index], prefix, biased, names)

    def _constant(self, tensor: TensorProto) -> Value:
        try:
            return self.build.constant(numpy_helper.to_array(tensor), tensor.name)
        except (TypeError, ValueError) as error:
            kind = onnx_dtype(tensor.data_type)
            raise ModelError(
                f"the weight '{tensor.name}' has type {kind}, which torch cannot hold; "
                "measure the model on another device, such as onnxruntime-cpu"
            ) from error

    def _convert(
        self, node: NodeProto, name: str, prefix: str, biased: Biased | None, names: list[str]
    ) -> None:
        if node.op_type == "If" and node.domain in OWN_DOMAINS:
            self._branch(node, name)
            return
        inputs = tuple(self._value(each, name, node) if each else None for each in node.input)
        outputs: Iterable[str] = node.output
        sources: tuple[str, ...] = (name,)
        if biased is not None:
            inputs = (*inputs, self.values[biased.bias])
            sources = (name, prefix + names[biased.add])
            outputs = (biased.output,)
        call = Call(node, name, self.opsets.get(node.domain, 1), inputs, self.build)
        key = node.op_type if node.domain in OWN_DOMAINS else f"{node.domain}:{node.op_type}"
        converter = TABLE.get(key)
        if converter is None:
            call.refuse("has no equal in hwprof's conversion to torch")
        self.build.sources = sources
        try:
            found = converter(call)
        except ModelError:
            raise
        except Exception as error:  # torch raises whatever it likes when shapes do not fit
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise ModelError(
                f"node '{name}' ({node.op_type}) does not fit its inputs: {reason[:300]}; "
                f"{to_run(str(error))}"
            ) from error
        made = [found] if isinstance(found, Value) else list(found)
        for position, output in enumerate(outputs):
            if output and position < len(made):
                self.values[output] = made[position]
            elif output:
                self.unmade[output] = call

    def _value(self, tensor: str, name: str, node: NodeProto) -> Value:
        if tensor in self.unmade:
            self.unmade[tensor].refuse("returns more than its conversion to torch gives")
        if tensor not in self.values:
            raise ModelError(
                f"node '{name}' ({node.op_type}) reads '{tensor}', which the conversion to torch "
                "does not have; measure the model on another device, such as onnxruntime-cpu"
            )
        return self.values[tensor]

    def _branch(self, node: NodeProto, name: str) -> None:
        """An If whose condition is known: the branch that it takes, in its place."""
        call = Call(node, name, 0, (self._value(node.input[0], name, node),), self.build)
        taken = bool(call.known(0, "condition").item())
        wanted = "then_branch" if taken else "else_branch"
        (graph,) = (a.g for a in node.attribute if a.name == wanted)
        inner = _Scope(self.build, self.opsets)
        inner.values, inner.unmade = dict(self.values), dict(self.unmade)
        own = {t for each in graph.node for t in each.output} | {t.name for t in graph.initializer}
        for hidden in own:
            inner.values.pop(hidden, None)
        inner.run(graph, f"{name}/")
        for mine, theirs in zip(node.output, graph.output, strict=True):
            self.values[mine] = inner.values[theirs.name]


def _dtype(name: str, tensor: str) -> torch.dtype:
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ModelError(
            f"input '{tensor}' has type {name}, which torch lacks; "
            "export the model with float, integer or boolean inputs"
        )
    return found
