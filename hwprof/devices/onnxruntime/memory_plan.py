"""Peak memory of live activations as ONNX Runtime plans it: simulated, not measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hwprof.graph import Graph, Node, TensorSpec
from hwprof.models.onnx.elements import OPAQUE

# Kernels whose first output is their first input under another shape.
_VIEWS = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Dropout"})

# Kernels that may write their result over an input that nobody reads afterwards: established
# with ONNX Runtime 1.31 by watching the arena. Plain arithmetic (Add, Mul, Exp, ...) does not.
_IN_PLACE_FIRST = frozenset(
    {"Cast", "Celu", "Clip", "Elu", "HardSigmoid", "LeakyRelu", "LogSoftmax"}
    | {"Relu", "ScatterElements", "ScatterND", "Selu", "Shrink", "Sigmoid", "Softmax"}
    | {"Softplus", "Softsign", "Tanh", "ThresholdedRelu", "Trilu"}
)
_RESIDUAL_CONVS = frozenset({"Conv", "FusedConv", "NhwcFusedConv"})


def planned_activation_bytes(graph: Graph, open_inputs: Iterable[str] = ()) -> int | None:
    """Peak bytes of all activations alive at once; weights and graph inputs are not counted.

    Follows the rules of ONNX Runtime's allocation planner
    (`onnxruntime/core/framework/allocation_planner.cc`, sequential execution): views share their
    input's buffer; an operator that works in place takes over an input of the same size that
    nobody else reads; any other output takes the buffer freed last that had exactly its type and
    shape, and the whole chain of tensors in a buffer keeps it until the last of them dies; graph
    outputs always get a buffer of their own. Tensors that depend on `open_inputs`, the graph
    inputs with a dimension left open in the file, share nothing: the planner works before it
    knows their shapes. Scratch memory inside kernels, alignment and what happens inside subgraphs
    are not simulated.

    None when the graph holds a tensor without a known size (a sequence, strings).
    """
    plan = _Plan(graph, open_inputs)
    for step, node in enumerate(graph.nodes):
        if not plan.write(step, node):
            return None
        plan.release(step, node)
    return plan.peak(len(graph.nodes))


class _Plan:
    """Buffers, each named after the tensor that it was first made for."""

    def __init__(self, graph: Graph, open_inputs: Iterable[str]) -> None:
        self.open = set(open_inputs)
        self.outputs = set(graph.outputs)
        # Whoever called reads the graph's outputs once more, after the run.
        self.readers = Counter(graph.outputs)
        for node in graph.nodes:
            self.readers.update(_reads(node))
        self.buffer: dict[str, str] = {}
        self.spec: dict[str, TensorSpec] = {}
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.free: list[str] = []

    def write(self, step: int, node: Node) -> bool:
        """Find a buffer for every output; False when one has no known size."""
        for position, spec in enumerate(node.kernel.outputs):
            if spec is None:
                continue
            if spec.nbytes is None or spec.dtype == OPAQUE:
                return False
            if node.kernel.op not in ("Shape", "Size") and not self.open.isdisjoint(_reads(node)):
                self.open.add(spec.name)
            view = position == 0 and node.kernel.op in _VIEWS
            if view and spec.name not in self.outputs:
                source = node.kernel.inputs[0]
                shared = None if source is None else self.buffer.get(source.name)
                if shared is None:
                    continue  # a view of a graph input or a weight: no buffer of ours
            else:
                shared = self._reusable(position, node, spec)
            if shared is None:
                shared = spec.name
                self.spec[shared] = spec
                self.first[shared] = step
                self.readers.setdefault(shared, 0)
            else:
                self.readers[shared] += self.readers[spec.name]
            self.buffer[spec.name] = shared
            self.last[shared] = step
        return True

    def _reusable(self, position: int, node: Node, spec: TensorSpec) -> str | None:
        if spec.name in self.outputs or spec.name in self.open:
            return None
        for other in _may_overwrite(node) if position == 0 else ():
            shared = self.buffer.get(other.name)
            if shared and self.readers[shared] == 1 and other.nbytes == spec.nbytes:
                return shared
        for number in range(len(self.free) - 1, -1, -1):
            freed = self.spec[self.free[number]]
            if (freed.dtype, freed.shape) == (spec.dtype, spec.shape):
                return self.free.pop(number)
        return None

    def release(self, step: int, node: Node) -> None:
        """Give back the buffers that nobody reads after this node."""
        written = [t.name for t in node.kernel.outputs if t is not None]
        for name in _reads(node):
            shared = self.buffer.get(name)
            if shared is not None:
                self.readers[shared] -= 1
                self.last[shared] = step
                if self.readers[shared] == 0:
                    self.free.append(shared)
        for name in written:
            shared = self.buffer.get(name)
            if shared is not None and self.readers[shared] == 0 and shared not in self.free:
                self.free.append(shared)

    def peak(self, steps: int) -> int:
        kept = {self.buffer[name] for name in self.outputs if name in self.buffer}
        change = [0] * (steps + 1)
        for name, step in self.first.items():
            nbytes = self.spec[name].nbytes or 0
            change[step] += nbytes
            if name not in kept:
                change[self.last[name] + 1] -= nbytes
        peak = alive = 0
        for step in change:
            alive += step
            peak = max(peak, alive)
        return peak


def _reads(node: Node) -> list[str]:
    """Every read counts, also when one node reads a tensor twice."""
    named = [t.name for t in node.kernel.inputs if t is not None]
    return named + [name for name in node.reads if name not in named]


def _may_overwrite(node: Node) -> Iterable[TensorSpec]:
    op, inputs = node.kernel.op, node.kernel.inputs
    if op in _IN_PLACE_FIRST:
        candidates = inputs[:1]
    elif op in _RESIDUAL_CONVS:
        candidates = inputs[3:4]
    else:
        candidates = ()
    return [t for t in candidates if t is not None]
