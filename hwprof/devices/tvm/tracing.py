"""Which nodes of the model file each kernel call of a compiled module stands for.

TVM keeps no names of nodes, but its passes keep the variables that hold their results until they
group operators into kernels. From there on dataflow tells: a kernel's body, with the arguments of
its call put in, makes the very calls that stood in `main` before, on the same operands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class KernelCall:
    """A call that `main` makes to a kernel.

    `inputs` counts the arguments before the outputs, `constants` says which of them are weights.
    """

    name: str
    inputs: int
    constants: tuple[bool, ...]
    nodes: tuple[str, ...] = ()


def bindings(function: Any) -> Iterator[Any]:
    """All bindings of a Relax function outside of branches, in order."""
    for block in function.body.blocks:
        yield from block.bindings


def kernel_calls(tvm: ModuleType, module: Any) -> list[KernelCall]:
    """Calls to kernels in `main`, in order, without nodes."""
    found = []
    for binding in bindings(module["main"]):
        callee = _kernel(tvm, binding.value)
        if callee is not None:
            operands = list(binding.value.args[1].fields)
            constants = tuple(isinstance(each, tvm.ir.GenericConst) for each in operands)
            found.append(KernelCall(callee, len(operands), constants))
    return found


def resolve_aliases(tvm: ModuleType, module: Any, owners: dict[Any, str]) -> dict[Any, str]:
    """Owners, with a node's variable also standing for the one that it merely picks from a tuple.

    Taking an operator apart leaves `parts = (y, mean, variance); result = parts[0]`, and tidying
    up then replaces `result` by `y`.
    """
    found = dict(owners)
    values = {binding.var: binding.value for binding in bindings(module["main"])}
    for variable, node in owners.items():
        value = values.get(variable)
        while value is not None:
            if isinstance(value, tvm.relax.TupleGetItem):
                whole = values.get(value.tuple_value, value.tuple_value)
                value = whole.fields[value.index] if isinstance(whole, tvm.relax.Tuple) else None
            if not isinstance(value, tvm.relax.Var):
                break
            found.setdefault(value, node)
            value = values.get(value)
    return found


def trace_nodes(
    tvm: ModuleType, before: Any, after: Any, owners: Mapping[Any, str]
) -> list[tuple[str, tuple[str, ...]]]:
    """Names of the kernels that `main` of `after` calls, with the nodes that each computes.

    `before` is the module before operators are grouped, `after` with the groups as functions. A
    node that became several kernels is named at one: at the last of those that hold its parts of
    the highest class, as TVM classifies operators for fusion (a convolution above a reduction
    above an elementwise sum).
    """
    pending: dict[object, list[tuple[str, int]]] = defaultdict(list)
    classes = _classes(tvm, before)
    numbers: dict[object, int] = {}
    nearest = _nearest(tvm, before["main"], owners)
    for binding, made in _Reader(tvm, before, numbers).walk("main"):
        for call in made:
            rank = classes.get(_kernel(tvm, binding.value) or "", -1)
            pending[call].append((nearest[binding.var], rank))
    grouped = _Reader(tvm, after, numbers)
    calls = []
    for binding, made in grouped.walk("main"):
        name = _kernel(tvm, binding.value) or grouped.callee(binding.value)
        if name is None:
            continue
        nodes: dict[str, int] = {}
        for call in made:
            if pending[call]:
                owner, rank = pending[call].pop(0)
                nodes[owner] = max(rank, nodes.get(owner, rank))
        calls.append((name, nodes))
    return _claimed(calls)


def _claimed(calls: list[tuple[str, dict[str, int]]]) -> list[tuple[str, tuple[str, ...]]]:
    """Each node at one call: at the last of those with its highest rank."""
    best: dict[str, tuple[int, int]] = {}
    for index, (_, nodes) in enumerate(calls):
        for node, rank in nodes.items():
            best[node] = max(best.get(node, (rank, index)), (rank, index))
    return [
        (name, tuple(node for node in nodes if node and best[node][1] == index))
        for index, (name, nodes) in enumerate(calls)
    ]


def _classes(tvm: ModuleType, module: Any) -> dict[str, int]:
    """TVM's fusion class of every kernel (`OpPatternKind`), by name."""
    annotated = tvm.relax.transform.AnnotateTIROpPattern()(module)
    return {
        str(variable.name_hint): int(function.attrs["op_pattern"])
        for variable, function in annotated.functions_items()
        if isinstance(function, tvm.tirx.PrimFunc) and "op_pattern" in function.attrs
    }


def _nearest(tvm: ModuleType, function: Any, owners: Mapping[Any, str]) -> dict[Any, str]:
    """The owner of every variable: its own node, or that of the first which uses it."""
    found: dict[Any, str] = {}
    for binding in reversed(list(bindings(function))):
        owner = owners.get(binding.var) or found.get(binding.var, "")
        found[binding.var] = owner
        for variable in tvm.relax.analysis.free_vars(binding.value):
            if variable not in owners:
                found[variable] = owner
    return found


def _kernel(tvm: ModuleType, value: Any) -> str | None:
    """The name of the kernel that an expression calls; None when it calls none."""
    if not isinstance(value, tvm.relax.Call) or not isinstance(value.op, tvm.ir.Op):
        return None
    if value.op.name not in ("relax.call_tir", "relax.call_tir_inplace", "relax.call_dps_packed"):
        return None
    callee = value.args[0]
    named = isinstance(callee, tvm.ir.GlobalVar)
    return str(callee.name_hint if named else callee.global_symbol)


class _Reader:
    """Gives the value of every expression a form that is equal wherever it is computed alike.

    A call's form is a number, kept in `numbers`: forms that hold those of their operands would
    grow exponentially.
    """

    def __init__(self, tvm: ModuleType, module: Any, numbers: dict[object, int]) -> None:
        self._tvm = tvm
        self._numbers = numbers
        self._functions = {
            str(variable.name_hint): function
            for variable, function in module.functions_items()
            if isinstance(function, tvm.relax.Function)
        }

    def callee(self, value: Any) -> str | None:
        """The name of the module's own Relax function that an expression calls."""
        tvm = self._tvm
        if not isinstance(value, tvm.relax.Call) or not isinstance(value.op, tvm.ir.GlobalVar):
            return None
        name = str(value.op.name_hint)
        return name if name in self._functions else None

    def walk(self, name: str) -> Iterator[tuple[Any, list[object]]]:
        """Every binding of a function, with the calls that it stands for."""
        function = self._functions[name]
        known: dict[Any, object] = {p: ("input", i) for i, p in enumerate(function.params)}
        for binding in bindings(function):
            calls: list[object] = []
            known[binding.var] = self._value(binding.value, known, calls)
            yield binding, calls

    def _value(self, value: Any, known: Mapping[Any, object], calls: list[object]) -> object:
        relax, ir = self._tvm.relax, self._tvm.ir
        if isinstance(value, relax.Var):
            return known.get(value, ("variable", str(value)))
        if isinstance(value, ir.GenericConst):
            return "constant", value.value.__chandle__()
        if isinstance(value, ir.GlobalVar):
            return "global", str(value.name_hint)
        if isinstance(value, relax.Tuple):
            return tuple(self._value(each, known, calls) for each in value.fields)
        if isinstance(value, relax.TupleGetItem):
            whole = self._value(value.tuple_value, known, calls)
            return "item", whole, int(value.index)
        if not isinstance(value, relax.Call):
            return "text", str(value)
        arguments = tuple(self._value(each, known, calls) for each in value.args)
        name = self.callee(value)
        if name is not None:
            return self._inlined(self._functions[name], arguments, calls)
        call = (str(value.op), *arguments)
        calls.append(("call", self._numbers.setdefault(call, len(self._numbers))))
        return calls[-1]

    def _inlined(self, function: Any, arguments: tuple[object, ...], calls: list[object]) -> object:
        known: dict[Any, object] = dict(zip(function.params, arguments, strict=True))
        for binding in bindings(function):
            known[binding.var] = self._value(binding.value, known, calls)
        return self._value(function.body.body, known, calls)
