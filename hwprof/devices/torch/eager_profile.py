"""What each call of an eager module costs: a clock is read after every call of the module's code.

torch.profiler would tell the kernels inside each call too, but multiplies the latency (2.7 times
in one run): it is asked once, for the names of the kernels, and never for a time.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx

from hwprof.convert.torch.module import source_nodes
from hwprof.convert.torch.runtime import quiet
from hwprof.devices.profiled_runs import time_profiled
from hwprof.devices.timing import time_runs
from hwprof.devices.torch.kernels import argument_text, layout_text, tensor_spec, tensors_in
from hwprof.graph import Kernel
from hwprof.profile import KernelOccurrence, Profile

DOMAIN = "org.pytorch"
PROVIDER = "aten"
_MARK = "hwprof:"


def profile_eager(
    module: fx.GraphModule,
    inputs: tuple[torch.Tensor, ...],
    runs: int,
    warmup: int,
    threads: int,
) -> Profile:
    """One kernel per call, in order, over `runs` runs after `warmup` more.

    A call's time reaches from the end of the call before it to its own end: fetching its weights
    and freeing what nobody needs afterwards belong to it, as they do to a run of the module.
    """
    described = _describe(module, inputs)
    marks: list[int] = []
    timed = _with_marks(module, marks, set(described))

    def run() -> None:
        with torch.inference_mode():
            timed(*inputs)

    time_runs(run, warmup, 1, threads)
    marks.clear()
    samples = time_profiled(run, runs, threads)
    ends = np.array(marks, dtype=np.int64).reshape(len(samples), len(described) + 1)
    durations = np.diff(ends, axis=1) * 1e-9
    occurrences = tuple(
        KernelOccurrence(
            name=name,
            kernel=each.kernel,
            provider=PROVIDER,
            durations_s=durations[:, position],
            source_nodes=each.sources,
        )
        for position, (name, each) in enumerate(described.items())
    )
    return Profile.timed(occurrences, samples)


@dataclass(frozen=True, slots=True)
class _Described:
    kernel: Kernel
    sources: tuple[str, ...]


def _describe(module: fx.GraphModule, inputs: tuple[torch.Tensor, ...]) -> dict[str, _Described]:
    """Every call of the module by its node's name, as one run met it."""
    met = _Observer(module)
    with quiet(), torch.inference_mode():
        with _profiler() as profiler:
            met.run(*inputs)
        called = _kernels_by_node(profiler.events())
    owners = {name: node.name for node in met.calls for name in source_nodes(node)}
    described = {}
    for node, (reads, writes, args, kwargs, constants) in met.calls.items():
        outer, inner = called.get(node.name, ((), ()))
        attributes = {"args": argument_text(args, kwargs), "layout": layout_text(reads)}
        # The operator that PyTorch chose in the end, such as aten::mkldnn_convolution.
        attributes["calls"] = " ".join(inner)
        kernel = Kernel(
            domain=DOMAIN,
            op="+".join(outer) or str(getattr(node.target, "__name__", node.target)),
            attributes={key: text for key, text in attributes.items() if text},
            inputs=tuple(
                tensor_spec(t, constant) for t, constant in zip(reads, constants, strict=True)
            ),
            outputs=tuple(tensor_spec(t) for t in writes),
        )
        sources = tuple(s for s in source_nodes(node) if owners[s] == node.name)
        described[node.name] = _Described(kernel, sources)
    return described


_Met = tuple[
    list[torch.Tensor],
    list[torch.Tensor],
    tuple[Any, ...],
    Mapping[str, Any],
    list[bool],
]


class _Observer(fx.Interpreter):
    """Runs the module node by node and keeps what each call was given."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.calls: dict[fx.Node, _Met] = {}

    def run_node(self, n: fx.Node) -> Any:
        if not is_call(n):
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        with torch.profiler.record_function(_MARK + n.name):
            result = super().run_node(n)
        reads = tensors_in(args) + tensors_in(kwargs)
        weights = [node.op == "get_attr" for node in _nodes_in((n.args, n.kwargs))]
        if len(weights) != len(reads):  # a node that stands for several tensors
            weights = [False] * len(reads)
        self.calls[n] = (reads, tensors_in(result), args, kwargs, weights)
        return result


def is_call(node: fx.Node) -> bool:
    """Whether a node runs an operator: picking one result of several does not."""
    return node.op == "call_function" and node.target is not operator.getitem


def _nodes_in(arguments: Any) -> list[fx.Node]:
    found: list[fx.Node] = []
    fx.node.map_arg(arguments, found.append)
    return found


def _with_marks(module: fx.GraphModule, marks: list[int], names: Container[str]) -> fx.GraphModule:
    """The module with a clock read at its start and after each call in `names`."""
    clock, note = time.perf_counter_ns, marks.append

    def mark() -> None:
        note(clock())

    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    started = False
    for node in module.graph.nodes:
        if not started and node.op not in ("placeholder", "get_attr"):
            graph.call_function(mark)
            started = True
        copies[node] = graph.node_copy(node, copies.__getitem__)
        if node.name in names:
            graph.call_function(mark)
    return fx.GraphModule(module, graph)


def _profiler() -> Any:
    activities = [torch.profiler.ProfilerActivity.CPU]
    return torch.profiler.profile(activities=activities, acc_events=True)


def _kernels_by_node(events: Any) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Per node: the operators it calls, and those that they call in turn, each once."""
    found = {}
    for event in events:
        if event.name.startswith(_MARK):
            outer = [child for child in event.cpu_children if child.name.startswith("aten::")]
            inner: dict[str, None] = {}
            for child in outer:
                _collect(child, inner)
            names = dict.fromkeys(child.name for child in outer if child.name not in _IDLE)
            plain = tuple(names) or tuple(dict.fromkeys(child.name for child in outer))
            nested = tuple(name for name in inner if name not in names)
            found[event.name.removeprefix(_MARK)] = (plain, nested)
    return found


# They make room, or look at the same memory in another way.
_IDLE = frozenset(
    {"aten::empty", "aten::empty_like", "aten::empty_strided", "aten::resize_", "aten::view"}
    | {"aten::as_strided", "aten::as_strided_", "aten::detach", "aten::resolve_conj"}
    | {"aten::resolve_neg", "aten::result_type", "aten::_unsafe_view", "aten::expand"}
    | {"aten::_has_compatible_shallow_copy_type", "aten::zeros", "aten::zero_", "aten::item"}
    | {"aten::_local_scalar_dense"}
)


def _collect(event: Any, found: dict[str, None]) -> None:
    for child in event.cpu_children:
        if child.name not in _IDLE and child.name.startswith("aten::"):
            found[child.name] = None
        _collect(child, found)
