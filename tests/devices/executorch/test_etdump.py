"""What cannot be read is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwprof.convert.executorch.plan import Plan
from hwprof.convert.executorch.xnnpack_graph import read_operators
from hwprof.devices.executorch.etdump import TracedCall, TracedRun, parse_etdump, read_run
from hwprof.devices.executorch.join import join
from hwprof.errors import DeviceError


def event(name: str, start: int, end: int, number: int = 0, inner: str = "") -> dict[str, object]:
    profiled = {
        "name": name,
        "chain_index": -1 if name == "Method::execute" else 0,
        "instruction_id": number,
        "delegate_debug_id_str": inner or None,
        "start_time": start,
        "end_time": end,
    }
    return {"profile_event": profiled}


def test_a_run_is_read_by_instruction() -> None:
    run = read_run(
        {
            "events": [
                event("", 0, 3000, inner="Add (ND) #1"),
                event("DELEGATE_CALL", 0, 5000),
                event("native_call_cumsum.out", 6000, 7000, 1),
                event("OPERATOR_CALL", 5500, 7500, 1),
                event("Method::execute", 0, 8000),
            ]
        }
    )
    assert run.total_s == pytest.approx(8e-6)
    assert run.calls[0].total_s == pytest.approx(5e-6)
    ((name, seconds),) = run.calls[0].operators
    assert name == "Add (ND) #1"
    assert seconds == pytest.approx(3e-6)
    assert run.calls[1].total_s == pytest.approx(2e-6)
    assert run.calls[1].calls == 1


def test_control_flow_is_refused() -> None:
    inside = event("OPERATOR_CALL", 0, 1)
    inside["profile_event"]["chain_index"] = 1  # type: ignore[index]
    with pytest.raises(DeviceError, match="control flow"):
        read_run({"events": [inside]})


def test_garbage_is_refused(tmp_path: Path) -> None:
    for read in (lambda data: parse_etdump(data, 1), lambda data: read_operators(data, tmp_path)):
        with pytest.raises(DeviceError, match="cannot be read") as refused:
            read(b"\0" * 64)
        assert "\n" not in str(refused.value)


def test_a_trace_of_another_program_is_refused() -> None:
    run = TracedRun(1.0, {7: TracedCall(1.0, 1)})
    with pytest.raises(DeviceError, match="instruction 7"):
        join(Plan({}, (), 0), [run])
    with pytest.raises(DeviceError, match="missing from a run"):
        join(Plan({}, (), 0), [run, TracedRun(1.0)])
