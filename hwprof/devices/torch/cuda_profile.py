"""What each call of a module costs on a GPU: the time of the kernels that it launches.

torch.profiler records every kernel's start and end as the GPU's own counters (CUPTI) tell them,
and which operator launched it. A call's figure is the sum of its kernels; the gaps between them,
in which the GPU waits for the processor, belong to no call. An eager model of small kernels spends
most of its time in such gaps, so the sum may be far below the end-to-end latency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity

from hwprof.convert.torch.module import source_nodes
from hwprof.devices.gpu.timing import EventClock
from hwprof.devices.torch.eager_profile import is_call
from hwprof.devices.torch.kernels import argument_text, layout_text, tensor_spec, tensors_in
from hwprof.errors import DeviceError
from hwprof.graph import Kernel, TensorSpec
from hwprof.models.base import Model
from hwprof.profile import KernelOccurrence, Profile
from hwprof.samples import FloatArray

DOMAIN = "org.pytorch"
CALL = "hwprof:"
RUN = "hwprof run"
WARMUP = 2


@dataclass(frozen=True, slots=True)
class Met:
    """A call of the module as one run met it."""

    target: str
    reads: tuple[TensorSpec, ...]
    writes: tuple[TensorSpec, ...]
    attributes: Mapping[str, str]
    sources: tuple[str, ...]


class Observer(fx.Interpreter):
    """Runs a module node by node, each call under a mark that the profiler records."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.calls: dict[str, Met] = {}

    def run_node(self, n: fx.Node) -> Any:
        if not is_call(n):
            return super().run_node(n)
        with torch.profiler.record_function(CALL + n.name):
            result = super().run_node(n)
        if n.name not in self.calls:
            self.calls[n.name] = self._met(n, result)
        return result

    def _met(self, n: fx.Node, result: Any) -> Met:
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        reads = tensors_in(args) + tensors_in(kwargs)
        weights = {
            id(tensor)
            for node in n.all_input_nodes
            if node.op == "get_attr"
            for tensor in tensors_in(self.env.get(node))
        }
        attributes = {"args": argument_text(args, kwargs), "layout": layout_text(reads)}
        return Met(
            str(getattr(n.target, "__name__", n.target)),
            tuple(tensor_spec(each, id(each) in weights) for each in reads),
            tuple(tensor_spec(each) for each in tensors_in(result)),
            {key: text for key, text in attributes.items() if text},
            source_nodes(n),
        )


def profile_eager(
    model: Model,
    module: fx.GraphModule,
    inputs: tuple[torch.Tensor, ...],
    clock: EventClock,
    runs: int,
) -> Profile:
    """One figure per call of the module, in order. Raises DeviceError when CUPTI tells nothing."""
    observer = Observer(module)

    def run() -> object:
        with torch.inference_mode():
            return observer.run(*inputs)

    events, wall_s = record(run, clock, runs)
    return build_eager(observer.calls, events, wall_s, work_of(model, module))


def build_eager(
    calls: Mapping[str, Met], events: Iterable[Any], wall_s: FloatArray, work: Sequence[str]
) -> Profile:
    """The profile from torch's `FunctionEvent`s; `work` names the nodes that need a kernel."""
    runs = len(wall_s)
    marks: dict[str, list[Any]] = {name: [] for name in calls}
    for event in events:
        name = event.name.removeprefix(CALL)
        # The GPU's own timeline repeats each mark.
        if event.name.startswith(CALL) and event.device_type == DeviceType.CPU and name in marks:
            marks[name].append(event)
    if any(len(found) != runs for found in marks.values()):
        raise DeviceError("torch.profiler lost some calls of the model; use --no-per-op")
    durations = {
        name: np.array([_kernels_us(event) for event in found]) * 1e-6
        for name, found in marks.items()
    }
    if not any(values.any() for values in durations.values()):
        raise _no_kernels()
    owners = {source: name for name in reversed(list(calls)) for source in calls[name].sources}
    occurrences = []
    for name, met in calls.items():
        operators = dict.fromkeys(
            child.name for child in marks[name][-1].cpu_children if child.name.startswith("aten::")
        )
        occurrences.append(
            KernelOccurrence(
                name=name,
                kernel=Kernel(
                    DOMAIN, "+".join(operators) or met.target, met.attributes, met.reads, met.writes
                ),
                provider="aten",
                durations_s=durations[name],
                source_nodes=tuple(s for s in met.sources if owners[s] == name),
            )
        )
    uncovered = tuple(source for source in work if source not in owners)
    return Profile(tuple(occurrences), wall_s, uncovered=uncovered)


def profile_compiled(
    model: Model, run: Callable[[], object], clock: EventClock, runs: int
) -> Profile:
    """One figure per kernel that a compiled model launches, by name. Raises DeviceError."""
    events, wall_s = record(run, clock, runs)
    return build_compiled(events, wall_s, model.subject.sha256[:16], work_of(model, None))


def build_compiled(
    events: Iterable[Any], wall_s: FloatArray, model: str, work: Sequence[str]
) -> Profile:
    """The profile from torch's `FunctionEvent`s. `model` becomes part of every kernel's identity:
    the names of generated kernels mean something within one model only."""
    known = list(events)
    starts = sorted(
        e.time_range.start for e in known if e.name == RUN and e.device_type == DeviceType.CPU
    )
    kernels = sorted(
        (e for e in known if e.device_type == DeviceType.CUDA and not e.is_user_annotation),
        key=lambda e: e.time_range.start,
    )
    if not kernels:
        raise _no_kernels()
    split: list[list[Any]] = [[] for _ in starts]
    for event in kernels:
        position = int(np.searchsorted(starts, event.time_range.start, side="right")) - 1
        if position >= 0:
            split[position].append(event)
    names = [event.name for event in split[0]]
    if len(split) != len(wall_s) or any([e.name for e in part] != names for part in split):
        raise DeviceError(
            "the compiled model launched different kernels from run to run; use --no-per-op"
        )
    taken: dict[str, int] = {}
    occurrences = []
    for position, name in enumerate(names):
        taken[name] = taken.get(name, 0) + 1
        spent_us = [part[position].time_range.elapsed_us() for part in split]
        # The same kernel may be launched again for other tensors.
        attributes = {"model": model, "launch": str(taken[name])}
        occurrences.append(
            KernelOccurrence(
                name=name if taken[name] == 1 else f"{name}#{taken[name]}",
                kernel=Kernel(f"{DOMAIN}.inductor", name, attributes, (), ()),
                provider="inductor",
                durations_s=np.array(spent_us) * 1e-6,
            )
        )
    return Profile(tuple(occurrences), wall_s, uncovered=tuple(work))


def work_of(model: Model, module: fx.GraphModule | None) -> tuple[str, ...]:
    """Nodes of the model file that some kernel must do the work of."""
    if model.format == "onnx":
        from hwprof.models.onnx.cover import nodes_with_work
        from hwprof.models.onnx.file import read_structure

        return nodes_with_work(read_structure(model.path))
    nodes = module.graph.nodes if module is not None else ()
    return tuple(dict.fromkeys(name for node in nodes for name in source_nodes(node)))


def record(
    run: Callable[[], object],
    clock: EventClock,
    runs: int,
    activities: Sequence[ProfilerActivity] = (ProfilerActivity.CPU, ProfilerActivity.CUDA),
) -> tuple[list[Any], FloatArray]:
    """The events of `runs` runs, each under a mark and waited for, and seconds of each."""
    wall_s = np.empty(runs)
    for _ in range(WARMUP):
        run()
    clock.start()
    clock.stop()
    clock.elapsed_s()  # nothing of the warm-up is left on the stream
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        for i in range(runs):
            with torch.profiler.record_function(RUN):
                clock.start()
                run()
                clock.stop()
            wall_s[i] = clock.elapsed_s()
    return list(profiler.events() or ()), wall_s


def _kernels_us(event: Any) -> float:
    """Microseconds of every kernel launched inside an event.

    The profiler repeats marks on the GPU's timeline, where they look like kernels.
    """
    own = sum(float(k.duration) for k in event.kernels if k.name != RUN and CALL not in k.name)
    return own + sum(_kernels_us(child) for child in event.cpu_children)


def _no_kernels() -> DeviceError:
    return DeviceError(
        "torch.profiler recorded no kernel of the GPU; allow every user to profile "
        "(NVreg_RestrictProfilingToAdminUsers=0 of the driver), or use --no-per-op"
    )
