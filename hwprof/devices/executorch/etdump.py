"""Reading an ETDump: what ExecuTorch's event tracer recorded while a program ran.

Its times are ticks of the platform's clock; on every system that has Python these are nanoseconds
(executorch/runtime/platform/default/posix.cpp). XNNPACK's own operators come in whole
microseconds, rounded down (executorch/backends/xnnpack/runtime/profiling/XNNProfiler.cpp).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hwprof.convert.executorch.quiet import quiet
from hwprof.errors import DeviceError

_TICK_S = 1e-9
_CALLS = frozenset({"OPERATOR_CALL", "DELEGATE_CALL"})
_RUN = "Method::execute"


@dataclass(slots=True)
class TracedCall:
    """All that one instruction did in one run, in seconds."""

    total_s: float = 0.0
    calls: int = 0
    operators: list[tuple[str, float]] = field(default_factory=list)
    """Name and seconds of each operator that a delegate ran, in order."""


@dataclass(slots=True)
class TracedRun:
    """One run of the program: its calls by instruction, and the whole of it in seconds."""

    total_s: float = 0.0
    calls: dict[int, TracedCall] = field(default_factory=dict)


def parse_etdump(dump: bytes, runs: int) -> tuple[TracedRun, ...]:
    """The last `runs` runs of an ETDump.

    Raises DeviceError when it cannot be read, holds fewer runs, or has control flow: an
    instruction's number then no longer tells which it is.
    """
    found = [read_run(data) for data in _run_data(dump) if data.get("name") == "Execute"]
    if len(found) < runs:
        raise DeviceError(
            f"executorch recorded {len(found)} of {runs} profiled runs; use --no-per-op"
        )
    return tuple(found[-runs:])


def _run_data(dump: bytes) -> Sequence[Mapping[str, Any]]:
    try:
        with quiet():  # it finds its schema by an importlib call that Python 3.11 deprecates
            from executorch.devtools.etdump.serialize import _convert_from_flatcc

            data = json.loads(_convert_from_flatcc(dump))["run_data"]
    except Exception as error:  # the schema compiler, a file cut off: no common base
        raise DeviceError(
            f"executorch's profile cannot be read ({type(error).__name__}); use --no-per-op"
        ) from error
    return list(data)


def read_run(data: Mapping[str, Any]) -> TracedRun:
    """One run from an ETDump's JSON (devtools/etdump/etdump_schema_flatcc.fbs, RunData).

    Raises DeviceError when the run has control flow.
    """
    run = TracedRun()
    for event in data.get("events") or ():
        profiled = event.get("profile_event")
        if not profiled:
            continue
        name = profiled.get("name") or ""
        seconds = (int(profiled["end_time"]) - int(profiled["start_time"])) * _TICK_S
        chain, number = int(profiled["chain_index"]), int(profiled["instruction_id"])
        if name == _RUN:
            run.total_s = seconds
        if chain > 0:
            raise DeviceError(
                "the program has control flow, whose profile executorch does not keep apart; "
                "use --no-per-op"
            )
        if chain < 0:
            continue
        call = run.calls.setdefault(number, TracedCall())
        inner = profiled.get("delegate_debug_id_str")
        if inner:
            call.operators.append((str(inner), seconds))
        elif name in _CALLS:
            call.total_s += seconds
            call.calls += 1
    return run
