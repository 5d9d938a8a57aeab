"""A per-kernel profile of a LiteRT model, led back to the nodes it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hwprof.devices.base import ProfiledRun
from hwprof.devices.litert.align import FOLDED_BACK, FOLDED_FORWARD, IDLE, align
from hwprof.devices.litert.native import DELEGATED, OPERATOR, Event, NativeModel
from hwprof.devices.litert.source import Source
from hwprof.devices.profiled_runs import in_rounds
from hwprof.devices.timing import time_runs
from hwprof.errors import DeviceError
from hwprof.graph import Kernel, TensorSpec
from hwprof.models.tflite.file import LiteRtFile, Operator, read
from hwprof.profile import KernelOccurrence, Profile
from hwprof.samples import Samples

DOMAIN = "ai.google.litert"
XNNPACK, BUILTIN = "XNNPACK", "LiteRT builtin kernels"
# Runs before the profiled ones count: the first allocates, the second settles it.
WARMUP = 2


def profile(
    source: Source,
    inputs: Sequence[np.ndarray],
    threads: int,
    xnnpack: bool,
    shapes: Sequence[tuple[int, ...]] | None,
    partitions: Sequence[tuple[int, ...]],
    runs: int,
) -> ProfiledRun:
    """Profile `runs` runs on `inputs`, given as they lie in the file's input tensors.

    `shapes` are those of all tensors where the inputs were resized; `partitions` are the groups
    of operators that XNNPACK runs (`partitions_of`). Raises DeviceError when this
    version's profiler is not known or reports no kernels.
    """
    file = read(source.path)
    resized = shapes is not None
    if shapes is not None:
        file = file.with_shapes(shapes)
    named = {file.tensors[t].name: array for t, array in zip(file.inputs, inputs, strict=True)}
    events: list[list[Event]] = []
    with NativeModel(source.path, named, threads, xnnpack, resized) as model:
        time_runs(model.run, WARMUP, 1, threads)

        def time_some(more: int) -> Samples:
            timed = []
            for _ in range(more):
                model.start()
                timed.append(time_runs(model.run, 1, 1, threads))
                events.append(model.stop())
            return Samples.concatenate(timed)

        samples = in_rounds(time_some, runs)
    first = [(event.kind, event.name, event.index) for event in events[0]]
    if not first or any([(e.kind, e.name, e.index) for e in run] != first for run in events):
        raise DeviceError(
            "LiteRT's profiler reports no kernels, or others in every run; use --no-per-op"
        )
    durations = np.array([[event.elapsed_s for event in run] for run in events])
    occurrences, uncovered = _occurrences(file, source, partitions, events[0], durations)
    return ProfiledRun(
        Profile.timed(tuple(occurrences), samples, uncovered),
        weights_bytes=file.weights_bytes,
        mapping=_mapping(occurrences),
    )


def _mapping(occurrences: Sequence[KernelOccurrence]) -> str:
    """How kernels were led back, and how many were not."""
    if all(occurrence.provider == BUILTIN for occurrence in occurrences):
        return "by operator number"
    lost = sum(not occurrence.kernel.inputs for occurrence in occurrences)
    text = "XNNPACK's kernels by kind and order of running, LiteRT's own by operator number"
    return f"{text}; {lost} of {len(occurrences)} kernels could not be led back" if lost else text


def _occurrences(
    file: LiteRtFile,
    source: Source,
    partitions: Sequence[tuple[int, ...]],
    events: Sequence[Event],
    durations: np.ndarray,
) -> tuple[list[KernelOccurrence], tuple[str, ...]]:
    """One occurrence per event, and the nodes that none stands for."""
    places, own = _places(file, partitions, events)
    nodes = source.nodes
    if nodes is None:
        nodes = [(operator.name,) for operator in file.operators]
    claims, folded, uncovered = _claims(file, nodes, places, own)
    found = []
    for number, (event, place) in enumerate(zip(events, places, strict=True)):
        name = event.name if place is None else file.operators[place].name
        if place is not None and not own[number]:
            name = f"{name}/{number}"
        found.append(
            KernelOccurrence(
                name,
                _kernel(file, event, place, folded.get(place, ()) if own[number] else ()),
                BUILTIN if event.kind == OPERATOR else XNNPACK,
                durations[:, number],
                claims.get(number, ()),
            )
        )
    return found, (*source.uncovered, *uncovered)


def _places(
    file: LiteRtFile, partitions: Sequence[tuple[int, ...]], events: Sequence[Event]
) -> tuple[list[int | None], list[bool]]:
    """The operator that each event belongs to, and whether it is of the operator's own kind."""
    places: list[int | None] = [e.index if e.kind == OPERATOR else None for e in events]
    own = [event.kind == OPERATOR for event in events]
    groups: list[list[int]] = []
    for number, event in enumerate(events):
        if event.kind == DELEGATED:
            if event.index == 0:  # XNNPACK counts its kernels anew in every group
                groups.append([])
            groups[-1].append(number)
    delegated = {member for partition in partitions for member in partition}
    if len(groups) != len(partitions) or not delegated.isdisjoint(places):
        return places, own  # the profiled model was divided in another way
    for group, partition in zip(groups, partitions, strict=True):
        codes = [_code(file.operators[member]) for member in partition]
        aligned = align(codes, [events[number].name for number in group])
        for number, place, is_own in zip(group, aligned.operators, aligned.own, strict=True):
            places[number] = None if place is None else partition[place]
            own[number] = is_own
    return places, own


def _code(operator: Operator) -> str:
    """The operator's code, as XNNPACK takes it: a product with itself is a square."""
    if operator.code == "MUL" and operator.inputs[0] == operator.inputs[1]:
        return "SQUARE"
    return operator.code


def _claims(
    file: LiteRtFile,
    nodes: Sequence[tuple[str, ...]],
    places: Sequence[int | None],
    own: Sequence[bool],
) -> tuple[dict[int, tuple[str, ...]], dict[int | None, tuple[Operator, ...]], list[str]]:
    """Nodes by event; operators folded into others by the place of those; nodes left over.

    A node belongs to the event of its operator's own kind, the first of several.
    """
    event_of: dict[int, int] = {}
    for number, place in enumerate(places):
        if place is None:
            continue
        if place not in event_of or (own[number] and not own[event_of[place]]):
            event_of[place] = number
    claims = {number: nodes[place] for place, number in event_of.items()}
    readers: dict[int, int] = {}
    makers: dict[int, int] = {}
    for place, operator in reversed(list(enumerate(file.operators))):
        readers.update((tensor, place) for tensor in operator.inputs)
        makers.update((tensor, place) for tensor in operator.outputs)
    folded: dict[int | None, tuple[Operator, ...]] = {}
    into: dict[int, int] = {}
    left: list[str] = []
    for place, operator in enumerate(file.operators):
        if place in event_of:
            continue
        host = None
        if _code(operator) in FOLDED_FORWARD:
            host = readers.get(operator.outputs[0])
        elif operator.code in FOLDED_BACK:
            read = (makers[tensor] for tensor in operator.inputs if tensor in makers)
            host = next(read, None)
            host = None if host is None else into.get(host, host)
        if host is not None and host in event_of:
            into[place] = host
            folded[host] = (*folded.get(host, ()), operator)
            claims[event_of[host]] += nodes[place]
        elif operator.code not in IDLE:
            left += nodes[place]
    return claims, folded, left


def _kernel(
    file: LiteRtFile, event: Event, place: int | None, folded: Sequence[Operator]
) -> Kernel:
    """What ran, by everything that decides its cost."""
    if place is None:
        return Kernel(DOMAIN, event.name, {}, (), ())
    operator = file.operators[place]
    attributes = dict(operator.attributes)
    inputs = [_spec(file, tensor) for tensor in operator.inputs]
    for part in folded:
        if part.outputs[0] in operator.inputs:
            inputs[operator.inputs.index(part.outputs[0])] = _spec(file, part.inputs[0])
        amounts = [file.tensors[number].value or () for number in part.inputs[1:]]
        listed = ",".join(str(amount) for values in amounts for amount in values)
        attributes[f"folded {part.code}"] = listed or "1"
    if event.kind == DELEGATED:
        attributes["operator"] = operator.code
    outputs = tuple(_spec(file, tensor) for tensor in operator.outputs)
    return Kernel(DOMAIN, event.name, _without_empty(attributes), tuple(inputs), outputs)


def _without_empty(attributes: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in attributes.items() if value != ""}


def _spec(file: LiteRtFile, number: int) -> TensorSpec | None:
    return None if number < 0 else file.tensors[number]
