"""Commands that MNN ran, as kernels that stand for nodes of the model file.

The converter keeps the names of ONNX tensors where it keeps the tensors; the file that it writes
says how the rest hang together. Operators that MNN lowers away (a Concat becomes the copy that
its reader starts with) have no command of their own: their nodes go to the command that does
their work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from onnx import ModelProto, NodeProto

from hwprof.convert.mnn.file import LAYOUT, Operator
from hwprof.devices.base import ProfiledRun
from hwprof.devices.mnn.trace import Command, Trace
from hwprof.graph import Kernel, TensorSpec
from hwprof.models.base import Model
from hwprof.models.onnx.attributes import canonical_attributes
from hwprof.models.onnx.cover import cover, nodes_with_work
from hwprof.models.onnx.elements import onnx_dtype
from hwprof.models.onnx.file import read_structure
from hwprof.models.onnx.graph import node_names, opset_of
from hwprof.models.onnx.steps import Step
from hwprof.profile import KernelOccurrence, Profile

DOMAIN = "com.alibaba.mnn"
PROVIDER = "CPU"
MAPPING = "by tensor names, through the graph of the converted file"

# A grouped convolution may become one convolution per group, joined again under its own name.
_GROUP = re.compile(r"__group__\d+$")
# These tell by a number which function they compute.
_FUNCTIONS = frozenset({"BinaryOp", "UnaryOp"})


def build_profile(model: Model, operators: Sequence[Operator], trace: Trace) -> ProfiledRun:
    """Put the commands of a trace together with the nodes of the model file."""
    source = read_structure(model.path)
    coverage = cover(source, _steps(operators))
    stands_for = [coverage.nodes[str(index)] for index in range(len(operators))]
    by_operator = {op.name: nodes for op, nodes in zip(operators, stands_for, strict=True)}
    claimed, left = _hand_over(trace.commands, operators, stands_for)
    words = _NodeWords(source)
    functions = {operator.name: operator.function for operator in operators}
    occurrences = []
    timed = zip(trace.commands, claimed, trace.times.durations_s, strict=True)
    for command, nodes, durations_s in timed:
        # A part that stands for no node itself still belongs to what its operator computes.
        purpose = words.describe(nodes or by_operator.get(command.operator, ()))
        kernel = _kernel(command, purpose, functions.get(command.operator, 0))
        occurrences.append(KernelOccurrence(command.name, kernel, PROVIDER, durations_s, nodes))
    uncovered = coverage.uncovered
    if left:
        uncovered += tuple(name for name in nodes_with_work(source) if name in left)
    profile = Profile.timed(tuple(occurrences), trace.times.samples, uncovered)
    return ProfiledRun(profile, mapping=MAPPING)


def _steps(operators: Sequence[Operator]) -> list[Step]:
    """The converted graph in the words of `cover`.

    An operator whose output MNN named itself is given away by the operators behind it, where
    these only change the layout.
    """
    return [
        Step(operator.reads[:1], operator.writes, moves=True, op="Identity")
        if operator.kind in LAYOUT
        else Step(operator.reads, operator.writes)
        for operator in operators
    ]


def _hand_over(
    commands: Sequence[Command],
    operators: Sequence[Operator],
    stands_for: Sequence[tuple[str, ...]],
) -> tuple[list[tuple[str, ...]], set[str]]:
    """Nodes of each command, and nodes for which MNN ran none.

    The nodes that an operator stands for go to one of the commands that do its work.
    """
    own: dict[str, list[int]] = {}
    for position, command in enumerate(commands):
        own.setdefault(command.operator, []).append(position)
    grouped = {_GROUP.sub("", name): own[name][-1] for name in own if _GROUP.search(name)}
    readers: dict[str, list[Operator]] = {}
    for operator in operators:
        for tensor in operator.reads:
            readers.setdefault(tensor, []).append(operator)

    def worker(operator: Operator, first: bool) -> int | None:
        """The command that does an operator's work: its last, or its reader's first.

        What comes before the last prepares (copies into another layout, parts of a sum).
        """
        if operator.name in grouped:
            return grouped[operator.name]
        if operator.name in own:
            return own[operator.name][0 if first else -1]
        for tensor in operator.writes:
            for reader in readers.get(tensor, ()):
                found = worker(reader, True)
                if found is not None:
                    return found
        return None

    claimed: list[list[str]] = [[] for _ in commands]
    left: set[str] = set()
    for operator, nodes in zip(operators, stands_for, strict=True):
        does = worker(operator, False) if nodes else None
        if does is None:
            left.update(nodes)
        else:
            claimed[does] += nodes
    return [tuple(nodes) for nodes in claimed], left


def _kernel(command: Command, nodes: str, function: int) -> Kernel:
    attributes = {"outputs": ",".join(t.describe() for t in command.outputs)}
    if nodes:
        attributes["nodes"] = nodes
    if command.part:
        attributes["part"] = command.part
    if command.kind in _FUNCTIONS and not nodes:
        attributes["function"] = str(function)
    return Kernel(DOMAIN, command.kind, attributes, command.inputs, command.outputs)


class _NodeWords:
    """Describes nodes of the model file by operator and attributes, without names."""

    def __init__(self, source: ModelProto) -> None:
        graph = source.graph
        self._opset = opset_of(source)
        self._nodes: dict[str, NodeProto] = dict(zip(node_names(graph), graph.node, strict=True))
        self._weights = {
            t.name: TensorSpec(t.name, onnx_dtype(t.data_type), tuple(t.dims), constant=True)
            for t in graph.initializer
        }

    def describe(self, names: Iterable[str]) -> str:
        """`Conv[group=1 pads=1,1,1,1 ...]+Relu`: what a kernel of these nodes computes."""
        return "+".join(self._describe_one(self._nodes[name]) for name in names)

    def _describe_one(self, node: NodeProto) -> str:
        inputs = tuple(self._weights.get(name) for name in node.input)
        attributes = canonical_attributes(node, inputs, self._opset)
        texts = " ".join(f"{name}={value}" for name, value in attributes.items())
        return f"{node.op_type}[{texts}]" if texts else node.op_type
