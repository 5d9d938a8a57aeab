"""Reads the JSON profile that ONNX Runtime writes, and tells nested kernels from their callers."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hwprof.codec import CodecError, from_json
from hwprof.devices.onnxruntime.elements import traced_dtype
from hwprof.errors import MeasurementError
from hwprof.samples import FloatArray, IntArray

_SUFFIX = "_kernel_time"
_EXECUTE = "SequentialExecutor::Execute"
_CONTROL_FLOW = frozenset({"If", "Loop", "Scan"})


@dataclass(frozen=True, slots=True)
class TracedTensor:
    """Type and shape of a tensor as a kernel met it."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NodeTrace:
    """What the profiler recorded about one node; a nested node that met several shapes has several.

    `inputs` lacks the optional inputs that were left out, the tensors that are no plain tensors,
    and every weight that the kernel packed for itself when the session was opened.
    """

    name: str
    op: str
    provider: str
    node_index: int | None
    """The runtime's own number: unique in the main graph, not between subgraphs."""
    inputs: tuple[TracedTensor, ...]
    outputs: tuple[TracedTensor, ...]
    durations_s: FloatArray
    """Shape `[r]`, seconds: all calls in a run, without the nodes that ran inside it."""
    calls: IntArray
    """Shape `[r]`: how often it ran in each run."""
    parent: int | None = None
    """Position in `Trace.nodes` of the If, Loop or Scan that ran it."""
    branch: int = 0
    """Which of the distinct subgraphs of the parent it belongs to, numbered as met."""
    slot: int = 0
    """Its place in the execution order of its graph."""
    passes: int = 0
    """How often a graph inside it ran in the last run."""
    memory: Mapping[str, int] = field(default_factory=dict)
    """The arena's figures (`mem_in_use_peak`, ...) after its last call, bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The last `r` runs of a profiled session; nodes in execution order, callers first."""

    nodes: tuple[NodeTrace, ...]
    run_s: FloatArray
    """Shape `[r]`, seconds: what the profiler recorded for each whole run."""
    first_run: int = 0
    """Which run of the session, counted from 0, is the first of them."""

    @property
    def arena_peak_bytes(self) -> int | None:
        """Largest amount of arena memory in use, weights in the arena included."""
        peaks = [n.memory["mem_in_use_peak"] for n in self.nodes if "mem_in_use_peak" in n.memory]
        return max(peaks, default=None)


@dataclass(slots=True, eq=False)
class _Event:
    """A finished node, or a finished pass through a graph (`op` is then `_EXECUTE`)."""

    name: str
    op: str
    args: Mapping[str, Any]
    start_us: int
    duration_us: int
    children: list[_Event] = field(default_factory=list)

    @property
    def self_us(self) -> int:
        """Time outside what ran inside: whole passes, because recording the inner events costs
        time between them (2-3 us each) that is neither the outer node's nor theirs."""
        return self.duration_us - sum(child.duration_us for child in self.children)


@dataclass(slots=True, eq=False)
class _Entry:
    """A node summed over calls and runs, while the runs are being read."""

    event: _Event
    position: int
    parent: int | None
    branch: int
    slot: int
    durations_s: FloatArray
    calls: IntArray
    passes: IntArray

    def finish(self, path: Path) -> NodeTrace:
        args = self.event.args
        index = str(args.get("node_index", ""))
        return NodeTrace(
            name=self.event.name,
            op=self.event.op,
            provider=str(args.get("provider", "")),
            node_index=int(index) if index.isdigit() else None,
            inputs=_tensors(args.get("input_type_shape"), path),
            outputs=_tensors(args.get("output_type_shape"), path),
            durations_s=self.durations_s,
            calls=self.calls,
            parent=self.parent,
            branch=self.branch,
            slot=self.slot,
            passes=int(self.passes[-1]),
            memory={
                name: int(value)
                for name, value in args.items()
                if name.startswith("mem_") and str(value).lstrip("-").isdigit()
            },
        )


class _Sums:
    """Sums nodes over calls and runs; entries keep the order in which they were first met."""

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.entries: dict[object, _Entry] = {}
        self._branches: dict[object, dict[object, int]] = {}

    def add(
        self,
        graph_pass: _Event,
        run: int,
        identity: tuple[object, ...],
        parent: int | None = None,
        branch: int = 0,
    ) -> None:
        """Add one pass through a graph, and every pass inside its nodes."""
        seen: dict[object, int] = {}
        for slot, event in enumerate(graph_pass.children):
            who = (event.args.get("node_index"), event.name, event.op)
            seen[who] = seen.get(who, 0) + 1
            key: tuple[object, ...] = (*identity, *who, seen[who])
            outer = key
            if parent is not None:
                # Shapes may change from one turn of a loop to the next, and decide the cost.
                key = (*key, str(event.args.get("input_type_shape")))
            entry = self.entries.get(key)
            if entry is None:
                seconds = np.zeros(self.runs)
                calls, passes = np.zeros((2, self.runs), np.int64)
                place = (len(self.entries), parent, branch, slot)
                entry = _Entry(event, *place, seconds, calls, passes)
                self.entries[key] = entry
            entry.durations_s[run] += event.self_us * 1e-6
            entry.calls[run] += 1
            entry.passes[run] += sum(child.op == _EXECUTE for child in event.children)
            if run == self.runs - 1:
                entry.event = event
            for each in _inner_passes(event):
                numbers = self._branches.setdefault(outer, {})
                signature = tuple((inner.name, inner.op) for inner in each.children)
                number = numbers.setdefault(signature, len(numbers))
                self.add(each, run, (*outer, number), entry.position, number)


def parse_profile(path: Path, runs: int, warmup: int = 0) -> Trace:
    """Read the profile of a session and keep its last `runs` runs.

    The runtime stops recording after a million events: of a session that ran `warmup` runs before
    the `runs` wanted, the complete ones among these are then kept, or the last one before them.

    Durations are recorded in whole microseconds. A control-flow node is given the time that its
    inner nodes did not take, so that the sum over nodes counts nothing twice. The runtime records
    an event when it ends: inner nodes stand in the file before the node that ran them, which
    decides nesting even where the microseconds do not.

    Raises MeasurementError when the file is no profile or holds no complete run.
    """
    # Nothing of what is read is rubbish: looking for it takes longer than reading.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _parse(_read(path), path, runs, warmup)
    finally:
        if collecting:
            gc.enable()


def _parse(events: Sequence[Mapping[str, Any]], path: Path, runs: int, warmup: int) -> Trace:
    bounds = [
        (_integer(e, "ts", path), _integer(e, "ts", path) + _integer(e, "dur", path))
        for e in events
        if e.get("cat") == "Session" and e.get("name") == "model_run"
    ]
    bounds.sort()
    if runs < 1 or not bounds:
        raise MeasurementError(
            f"the profile {path.name} holds {len(bounds)} complete runs where {runs} were asked "
            "for: the runtime stops recording after a million events; use --no-per-op."
        )
    whole = len(bounds) >= warmup + runs
    first_run = len(bounds) - runs if whole else min(warmup, len(bounds) - 1)
    bounds = bounds[first_run:]
    runs = len(bounds)
    passes = [_main_pass(found, path) for found in _split(events, bounds, path)]
    sums = _Sums(runs)
    # The last run comes first: its order is the order of the result.
    for run in (runs - 1, *range(runs - 1)):
        sums.add(passes[run], run, ())
    return Trace(
        tuple(each.finish(path) for each in sums.entries.values()),
        np.array([end - start for start, end in bounds], dtype=np.float64) * 1e-6,
        first_run,
    )


def count_events(path: Path) -> int:
    """About how many events a profile holds, without reading them."""
    try:
        return path.read_bytes().count(b'"dur"')
    except OSError as error:
        raise MeasurementError(f"the profile {path} cannot be read: {error}.") from error


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        return from_json(path.read_bytes(), list[dict[str, Any]])
    except OSError as error:
        raise MeasurementError(f"the profile {path} cannot be read: {error}.") from error
    except CodecError as error:
        raise MeasurementError(f"the profile {path} is not a list of events: {error}.") from error


def _integer(event: Mapping[str, Any], name: str, path: Path) -> int:
    value = event.get(name)
    if not isinstance(value, int):
        raise MeasurementError(f"an event of the profile {path.name} has no integer '{name}'.")
    return value


def _split(
    events: Sequence[Mapping[str, Any]], bounds: Sequence[tuple[int, int]], path: Path
) -> list[list[Mapping[str, Any]]]:
    """The events of each run that matter, in the order of the file."""
    starts = np.array([start for start, _ in bounds])
    split: list[list[Mapping[str, Any]]] = [[] for _ in bounds]
    for event in events:
        name = event.get("name", "")
        node = event.get("cat") == "Node" and name.endswith(_SUFFIX)
        if not node and name != _EXECUTE:
            continue
        moment = _integer(event, "ts", path)
        run = int(np.searchsorted(starts, moment, side="right")) - 1
        if run >= 0 and moment <= bounds[run][1]:
            split[run].append(event)
    return split


def _main_pass(events: Sequence[Mapping[str, Any]], path: Path) -> _Event:
    """The tree of one run: its pass through the main graph, with the nodes in order.

    With parallel execution some nodes run on other threads, outside the pass that was recorded.
    """
    finished: dict[object, list[_Event]] = {}
    for raw in events:
        args = raw.get("args") or {}
        is_pass = raw["name"] == _EXECUTE
        event = _Event(
            name="" if is_pass else raw["name"].removesuffix(_SUFFIX),
            op=_EXECUTE if is_pass else str(args.get("op_name", "")),
            args=args,
            start_us=_integer(raw, "ts", path),
            duration_us=_integer(raw, "dur", path),
        )
        earlier = finished.setdefault(raw.get("tid"), [])
        first = len(earlier)
        while first and _inside(earlier[first - 1], event):
            first -= 1
        event.children = earlier[first:]
        del earlier[first:]
        earlier.append(event)
    roots = [event for each in finished.values() for event in each]
    nodes = [node for root in roots for node in (root.children if root.op == _EXECUTE else [root])]
    return _Event("", _EXECUTE, {}, 0, 0, sorted(nodes, key=lambda node: node.start_us))


def _inside(earlier: _Event, later: _Event) -> bool:
    """Whether `earlier`, which ended before `later` on the same thread, ran inside it."""
    if earlier.start_us != later.start_us:
        return earlier.start_us > later.start_us
    # Same microsecond: only a predecessor that took less than one could have started there too.
    return earlier.duration_us > 0 or later.op == _EXECUTE or later.op in _CONTROL_FLOW


def _inner_passes(outer: _Event) -> list[_Event]:
    """Passes through the subgraphs of a node; one is made up when the runtime recorded none."""
    passes = [each for each in outer.children if each.op == _EXECUTE]
    loose = [each for each in outer.children if each.op != _EXECUTE]
    if loose:
        passes.append(_Event("", _EXECUTE, {}, loose[0].start_us, 0, loose))
    return [each for each in passes if each.children]


def _tensors(raw: object, path: Path) -> tuple[TracedTensor, ...]:
    """Tensors from `[{"float": [1, 3]}, ...]`; none when the runtime recorded none."""
    tensors = []
    try:
        for entry in raw or ():  # type: ignore[attr-defined]
            ((name, shape),) = entry.items()
            tensors.append(TracedTensor(traced_dtype(name), tuple(int(d) for d in shape)))
    except (AttributeError, TypeError, ValueError) as error:
        raise MeasurementError(
            f"the profile {path.name} has the shape list {raw!r}, which cannot be read."
        ) from error
    return tuple(tensors)
