"""What each kernel call of compiled code costs: a clock is read after each one.

The function that inductor wrote is given clock readings between its kernel calls and put in the
place of the original. Making room for a result and freeing what nobody needs belong to the kernel
call that follows or precedes, so that the sum is what the function takes. What PyTorch does before
that function is reached (checking that the inputs are those compiled for) is in no kernel.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx

from hwprof.devices.profiled_runs import time_profiled
from hwprof.devices.timing import time_runs
from hwprof.devices.torch.compiled_code import MARK, MEET, Code, Site
from hwprof.devices.torch.compiled_cover import claims_of, nodes_with_work
from hwprof.devices.torch.inductor import Written
from hwprof.devices.torch.kernels import argument_text, layout_text, tensor_spec, tensors_in
from hwprof.errors import DeviceError
from hwprof.graph import Kernel
from hwprof.profile import KernelOccurrence, Profile

DOMAIN = "org.pytorch.inductor"
PROVIDER = "inductor"


@dataclass(slots=True)
class _Met:
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None


def profile_compiled(
    module: fx.GraphModule,
    inputs: tuple[torch.Tensor, ...],
    written: Written,
    run: Callable[[], object],
    runs: int,
    warmup: int,
    threads: int,
) -> Profile:
    """One kernel per kernel call of the compiled code, over `runs` runs after `warmup` more.

    Raises DeviceError when inductor's code has a form that this version of hwprof cannot read.
    """
    code = Code(written)
    met = [_Met() for _ in code.sites]

    def meet(position: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        met[position] = _Met(args, kwargs)

    marks: list[int] = []
    clock, note = time.perf_counter_ns, marks.append

    def mark() -> None:
        note(clock())

    with code.replaced({MEET: meet}, described=True):
        run()
        weights = {parameter.data_ptr() for parameter in module.parameters()}
        kernels = [
            _kernel(code, site, each, weights) for site, each in zip(code.sites, met, strict=True)
        ]
        met.clear()
    with code.replaced({MARK: mark}, described=False):
        time_runs(run, warmup, 1, threads)
        marks.clear()
        samples = time_profiled(run, runs, threads)
    if len(marks) != len(samples) * (len(code.sites) + 1):
        raise DeviceError(
            "the compiled code ran other kernels than it holds, so that they cannot be told "
            "apart; use --no-per-op"
        )
    durations = np.diff(np.array(marks, np.int64).reshape(len(samples), -1), axis=1) * 1e-9
    claims = claims_of(module, written, code.sites)
    names = _unique(site.target for site in code.sites)
    occurrences = tuple(
        KernelOccurrence(name, kernel, PROVIDER, durations[:, i], claims[i])
        for i, (name, kernel) in enumerate(zip(names, kernels, strict=True))
    )
    covered = {name for claim in claims for name in claim}
    uncovered = tuple(name for name in nodes_with_work(module, inputs) if name not in covered)
    return Profile.timed(occurrences, samples, uncovered)


def _kernel(code: Code, site: Site, met: _Met, weights: set[int]) -> Kernel:
    """The kernel of a call with the arguments that it met."""
    kwargs = {k: v for k, v in (met.kwargs or {}).items() if k != "out"}
    reads = tensors_in(met.args) + tensors_in(kwargs)
    attributes = {"args": argument_text(met.args, kwargs), "layout": layout_text(reads)}
    if site.target in code.sources:
        attributes["code"] = code.sources[site.target]
    return Kernel(
        domain=DOMAIN,
        op=re.sub(r"_\d+$", "", site.target),
        attributes={key: text for key, text in attributes.items() if text},
        inputs=tuple(tensor_spec(t, t.is_mkldnn or t.data_ptr() in weights) for t in reads),
        outputs=(),
    )


def _unique(names: Iterable[str]) -> list[str]:
    """Names with `#2`, `#3`, ... where they repeat."""
    counts: dict[str, int] = {}
    unique = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        unique.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return unique
