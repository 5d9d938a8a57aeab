"""From a plan and a trace to a profile: one kernel per operator that ran, led back to the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwprof.convert.executorch.plan import DelegateCall, NativeCall, Plan
from hwprof.convert.executorch.xnnpack_graph import XnnOperator
from hwprof.devices.executorch.align import Ran, align, moves
from hwprof.devices.executorch.etdump import TracedCall, TracedRun
from hwprof.devices.executorch.runtime import NATIVE, XNNPACK
from hwprof.errors import DeviceError
from hwprof.graph import Kernel
from hwprof.profile import KernelOccurrence
from hwprof.samples import FloatArray

XNNPACK_DOMAIN = "org.xnnpack"
CALL = "DelegateCall"
"""A delegate's time outside its operators: handing over tensors, and what their times, which are
rounded down to microseconds, leave over."""


@dataclass(frozen=True, slots=True)
class Found:
    """A kernel before source nodes are shared out: `sources` are those it may claim."""

    occurrence: KernelOccurrence
    sources: tuple[str, ...] = ()
    minor: bool = False
    """Whether it only moves data: kernels that compute come first when nodes are claimed."""


def join(plan: Plan, runs: Sequence[TracedRun]) -> tuple[KernelOccurrence, ...]:
    """Every kernel of a program, in order. Raises DeviceError when plan and trace disagree."""
    found: list[Found] = []
    for number in runs[0].calls:
        calls = [run.calls.get(number) for run in runs]
        if any(call is None for call in calls):
            raise _disagreement(f"instruction {number} is missing from a run")
        found += _instruction(plan, number, [call for call in calls if call is not None])
    return tuple(_shared_out(found))


def uncovered(plan: Plan, occurrences: Iterable[KernelOccurrence]) -> tuple[str, ...]:
    """Source nodes with work that no kernel claims."""
    claimed = {name for each in occurrences for name in each.source_nodes}
    return tuple(name for name in plan.working if name not in claimed)


def _instruction(plan: Plan, number: int, calls: Sequence[TracedCall]) -> Iterator[Found]:
    step = plan.instructions.get(number)
    if step is None:
        raise _disagreement(f"instruction {number} is not in the program")
    totals = np.array([call.total_s for call in calls])
    if isinstance(step, NativeCall):
        yield Found(
            KernelOccurrence(step.name, step.kernel, NATIVE, totals, calls=calls[0].calls),
            step.sources,
            minor=step.idle,
        )
        return
    yield from _delegate(step, calls, totals)


def _delegate(
    step: DelegateCall, calls: Sequence[TracedCall], totals: FloatArray
) -> Iterator[Found]:
    events = [name for name, _ in calls[0].operators]
    if any([name for name, _ in call.operators] != events for call in calls):
        raise _disagreement(f"{step.name} ran other operators from one run to the next")
    durations = np.array([[s for _, s in call.operators] for call in calls])
    durations = durations.reshape(len(calls), len(events))
    ran = align(events, step.operators)
    claims = _claims(step, ran)
    for position, event in enumerate(events):
        what = ran[position]
        kernel = _kernel(event, None if what is None else step.operators[what.operator], what)
        minor = what is None or moves(step.operators[what.operator])
        yield Found(
            KernelOccurrence(f"{step.name}/{event}", kernel, XNNPACK, durations[:, position]),
            claims[position],
            minor=minor,
        )
    rest = totals - durations.sum(axis=1)
    attributes = {"operators": str(len(events))}
    kernel = Kernel(XNNPACK_DOMAIN, CALL, attributes, step.inputs, step.outputs)
    yield Found(KernelOccurrence(step.name, kernel, XNNPACK, rest))


def _kernel(event: str, operator: XnnOperator | None, ran: Ran | None) -> Kernel:
    """The event's name is part of the kernel: it tells the micro-kernel that XNNPACK chose."""
    name = event.rpartition(" #")[0] or event
    if operator is None or ran is None:
        return Kernel(XNNPACK_DOMAIN, "Inserted", {"kernel": name}, (), ())
    if ran.only_clamp:
        attributes = {"kernel": name}
        return Kernel(XNNPACK_DOMAIN, "Clamp", attributes, operator.outputs, operator.outputs)
    attributes = {**operator.attributes, "kernel": name}
    return Kernel(XNNPACK_DOMAIN, operator.kind, attributes, operator.inputs, operator.outputs)


def _claims(step: DelegateCall, ran: Sequence[Ran | None]) -> list[tuple[str, ...]]:
    """For each event the source nodes that it may claim.

    An operator stands for the graph nodes of its handle. Nodes without an operator that ran were
    fused: those that follow a node that ran, into that one (activations, batch normalisation),
    and those before, into the one that reads them (padding).
    """
    at: dict[int, int] = {}  # handle -> event
    for position, what in enumerate(ran):
        handle = None if what is None else step.operators[what.operator].handle
        if handle is None or what is None or what.only_clamp:
            continue
        before = at.get(handle)
        if before is None or moves(step.operators[_operator(ran, before)]):
            at[handle] = position
    home: dict[str, int] = {node.name: at[node.handle] for node in step.nodes if node.handle in at}
    for node in step.nodes:
        if node.name not in home:
            near = [home[name] for name in node.reads if name in home]
            if near:
                home[node.name] = max(near)
    for node in reversed(step.nodes):
        if node.name in home:
            for name in node.reads:
                home.setdefault(name, home[node.name])
    claims: list[list[str]] = [[] for _ in ran]
    for node in step.nodes:
        # A change of shape that nobody carried out belongs to nobody.
        if node.name in home and (node.handle in at or not node.idle):
            claims[home[node.name]] += node.sources
    return [tuple(dict.fromkeys(names)) for names in claims]


def _operator(ran: Sequence[Ran | None], position: int) -> int:
    what = ran[position]
    assert what is not None  # only positions that matched are kept
    return what.operator


def _shared_out(found: Sequence[Found]) -> Iterator[KernelOccurrence]:
    """Give every source node to one kernel: the first that computes, else the first."""
    owner: dict[str, int] = {}
    order = sorted(range(len(found)), key=lambda i: (found[i].minor, i))
    for index in order:
        for name in found[index].sources:
            owner.setdefault(name, index)
    for index, each in enumerate(found):
        names = tuple(name for name in each.sources if owner[name] == index)
        yield replace(each.occurrence, source_nodes=names)


def _disagreement(what: str) -> DeviceError:
    return DeviceError(
        f"executorch's profile does not fit the program that it ran: {what}; use --no-per-op"
    )
