"""From OpenVINO's runtime model and profiling reports to the kernels of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from hwprof.devices.openvino.coverage import Coverage, cover_runtime
from hwprof.devices.openvino.running_means import run_durations
from hwprof.devices.openvino.runtime_model import RuntimeNode
from hwprof.errors import MeasurementError
from hwprof.graph import Kernel, TensorSpec
from hwprof.models.onnx.attributes import canonical_attributes, is_small_integer
from hwprof.models.onnx.elements import onnx_dtype
from hwprof.models.onnx.graph import node_names
from hwprof.profile import KernelOccurrence, Profile
from hwprof.samples import IntArray, Samples

DOMAIN = "org.openvino"
PROVIDER = "CPU"

# OpenVINO's own name of a layer that a pass made: `Multiply_5432`.
_MADE = re.compile(r"^([A-Z]\w*?)_\d+$")


@dataclass(frozen=True, slots=True)
class Report:
    """What the profiler says of one node after a run: its mean so far, whole microseconds."""

    name: str
    mean_us: int


def build_profile(
    source: ModelProto,
    model_id: str,
    nodes: Sequence[RuntimeNode],
    reports: Sequence[Sequence[Report]],
    samples: Samples,
) -> Profile:
    """Kernels of a model in execution order.

    `reports` holds one list per run since the model was compiled, the first run included; the
    last `len(samples)` of them are the profiled ones. The profiler calls everything below a
    microsecond "not run"; of that, what can have been optimised away is no kernel here, and the
    rest is. `model_id` goes into the key of kernels whose cost their key cannot tell otherwise.
    Raises MeasurementError when the reports do not belong together.
    """
    means = _means(nodes, reports)
    executed = [
        mean is not None and (bool(mean.any()) or not node.may_vanish)
        for node, mean in zip(nodes, means, strict=True)
    ]
    coverage = cover_runtime(source, nodes, executed)
    describe = _Describer(source, coverage, model_id)
    runs = len(samples)
    taken: dict[str, int] = {}
    occurrences = []
    for i, (node, mean) in enumerate(zip(nodes, means, strict=True)):
        if mean is None or not executed[i]:
            continue
        taken[node.name] = taken.get(node.name, 0) + 1
        number = taken[node.name]
        occurrences.append(
            KernelOccurrence(
                name=node.name if number == 1 else f"{node.name}#{number}",
                kernel=describe.kernel(node, coverage.own[i]),
                provider=PROVIDER,
                durations_s=run_durations(mean)[-runs:] * 1e-6,
                source_nodes=coverage.nodes[i],
            )
        )
    return Profile.timed(tuple(occurrences), samples, coverage.uncovered)


def _means(
    nodes: Sequence[RuntimeNode], reports: Sequence[Sequence[Report]]
) -> list[IntArray | None]:
    """Means by node, each of shape `[runs]`; None for a node that the profiler does not know.

    Reports name more than the runtime model has (layers that were fused, each under its own
    name), and equal names come in the same order in both.
    """
    places: dict[str, list[int]] = {}
    for position, report in enumerate(reports[0]):
        places.setdefault(report.name, []).append(position)
    if any([r.name for r in each] != [r.name for r in reports[0]] for each in reports[1:]):
        raise MeasurementError(
            "openvino reported other kernels in one run than in the next; "
            "use --no-per-op to measure without kernels"
        )
    table = np.array([[r.mean_us for r in each] for each in reports], dtype=np.int64)
    found: list[IntArray | None] = []
    for node in nodes:
        left = places.get(node.name) if node.is_kernel else None
        found.append(table[:, left.pop(0)] if left else None)
    return found


class _Describer:
    """Writes kernels, with the attributes of the ONNX nodes that they cover."""

    def __init__(self, source: ModelProto, coverage: Coverage, model_id: str) -> None:
        graph = source.graph
        self._nodes = dict(zip(node_names(graph), graph.node, strict=True))
        self._work = coverage.work
        self._model_id = model_id
        self._opsets = {o.domain: o.version for o in source.opset_import}
        self._constants = {spec.name: spec for spec in _constants(graph)}
        self._scalars = dict(_scalars(graph))

    def kernel(self, node: RuntimeNode, covered: Sequence[str]) -> Kernel:
        """The runtime model has shapes, types, layouts and the implementation; strides, axes and
        the like stand in the ONNX nodes alone, and `layers` are the kinds of nameless layers."""
        attributes = {
            "exec": node.primitive,
            "precision": node.precision,
            "layout": f"{'|'.join(node.read_layouts)}->{node.layouts}",
            "out": "|".join("-" if t is None else t.describe() for t in node.outputs),
        }
        own = [name for name in covered if name in self._work and name in self._nodes]
        if own:
            attributes["ops"] = "+".join(self._operation(self._nodes[name]) for name in own)
        made = [found[1] for found in map(_MADE.match, node.layers) if found]
        if made:
            attributes["layers"] = "+".join(made)
        # Shapes decided in the run, or a graph inside: nothing here tells what it costs.
        if node.nests or node.shapes_open:
            attributes["place"] = f"{self._model_id}/{node.name}"
        return Kernel(DOMAIN, node.kind, attributes, node.inputs, node.outputs)

    def _operation(self, node: NodeProto) -> str:
        domain = "" if node.domain == "ai.onnx" else node.domain
        opset = self._opsets.get(node.domain, self._opsets.get(domain, 1))
        inputs = tuple(self._constants.get(name) for name in node.input)
        words = [f"{k}={v}" for k, v in canonical_attributes(node, inputs, opset).items()]
        for position, spec in enumerate(inputs):
            if spec is not None and spec.value is not None:
                words.append(f"#{position}=({','.join(map(str, spec.value))})")
        # A square is not what a power of 1.7 is.
        if node.op_type == "Pow" and node.input[1] in self._scalars:
            words.append(f"#1={self._scalars[node.input[1]]}")
        name = f"{domain}.{node.op_type}" if domain else node.op_type
        return f"{name}({';'.join(words)})" if words else name


def _stored(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    """Constant tensors of a graph by name."""
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            yield node.output[0], node.attribute[0].t


def _constants(graph: GraphProto) -> Iterator[TensorSpec]:
    """Constants by name, with the values of small integer ones."""
    for name, tensor in _stored(graph):
        spec = TensorSpec(name, onnx_dtype(tensor.data_type), tuple(tensor.dims), constant=True)
        if is_small_integer(tensor) and tensor.data_location != TensorProto.EXTERNAL:
            values = numpy_helper.to_array(tensor).ravel().tolist()
            spec = replace(spec, value=tuple(int(v) for v in values))
        yield spec


def _scalars(graph: GraphProto) -> Iterator[tuple[str, float]]:
    """Floating-point constants of one element by name."""
    for name, tensor in _stored(graph):
        floats = tensor.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE)
        single = floats and int(np.prod(tensor.dims, dtype=np.int64)) == 1
        if single and tensor.data_location != TensorProto.EXTERNAL:
            yield name, float(numpy_helper.to_array(tensor).ravel()[0])
