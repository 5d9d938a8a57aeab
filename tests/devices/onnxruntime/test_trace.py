"""Reading the profile: runs, nesting and loops, with every microsecond accounted for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hwprof.devices.onnxruntime.trace import Trace, parse_profile
from hwprof.errors import MeasurementError
from tests.devices.onnxruntime.profiled import control_flow_model, profile_model

EXECUTE = "SequentialExecutor::Execute"


def node(name: str, op: str, start: int, duration: int, index: int = 0, **args: object) -> dict:
    return {
        "cat": "Node",
        "name": f"{name}_kernel_time",
        "tid": 1,
        "ts": start,
        "dur": duration,
        "args": {"op_name": op, "node_index": str(index), "provider": "CPU", **args},
    }


def session(name: str, start: int, duration: int) -> dict:
    return {"cat": "Session", "name": name, "tid": 1, "ts": start, "dur": duration, "args": {}}


def whole_run(start: int, *events: dict) -> list[dict]:
    """One run from `start` to 100 us later; `events` are relative to its start."""
    moved = [{**event, "ts": event["ts"] + start} for event in events]
    return [*moved, session(EXECUTE, start + 1, 98), session("model_run", start, 100)]


def parse(path: Path, events: list[dict], runs: int, warmup: int = 0) -> Trace:
    path.write_text(json.dumps(events))
    return parse_profile(path, runs, warmup)


def microseconds(trace: Trace) -> dict[str, list[float]]:
    return {n.name: [round(d * 1e6, 6) for d in n.durations_s] for n in trace.nodes}


def test_keeps_the_last_runs_in_seconds(tmp_path: Path) -> None:
    events = [
        session("session_initialization", 0, 50),
        *whole_run(100, node("a", "Relu", 2, 40), node("b", "Add", 50, 9, 1)),
        *whole_run(300, node("a", "Relu", 2, 4), node("b", "Add", 50, 5, 1)),
        *whole_run(500, node("a", "Relu", 2, 6), node("b", "Add", 50, 7, 1)),
    ]
    trace = parse(tmp_path / "t.json", events, 2)
    assert microseconds(trace) == {"a": [4, 6], "b": [5, 7]}
    assert trace.run_s.tolist() == pytest.approx([100e-6, 100e-6])
    assert [n.op for n in trace.nodes] == ["Relu", "Add"]


def test_outer_node_keeps_only_its_own_time(tmp_path: Path) -> None:
    run = whole_run(
        0,
        node("before", "Relu", 2, 5),
        # Two turns of a loop; the inner node has the number of the outer one.
        node("inner", "MatMul", 12, 10, 0),
        session(EXECUTE, 11, 13),
        node("inner", "MatMul", 26, 20, 0),
        session(EXECUTE, 25, 22),
        node("loop", "Loop", 10, 40, 0),
        node("after", "Relu", 60, 5, 2),
    )
    trace = parse(tmp_path / "t.json", run, 1)
    assert microseconds(trace) == {"before": [5], "loop": [5], "inner": [30], "after": [5]}
    inner = next(n for n in trace.nodes if n.name == "inner")
    assert inner.calls.tolist() == [2]
    assert inner.parent is not None
    assert trace.nodes[inner.parent].name == "loop"


def test_node_that_ran_in_one_run_only_has_zero_in_the_other(tmp_path: Path) -> None:
    def branch(name: str) -> list[dict]:
        return [
            node(name, "Add", 12, 10),
            session(EXECUTE, 11, 12),
            node("choose", "If", 10, 15),
        ]

    events = whole_run(0, *branch("yes")) + whole_run(200, *branch("no"))
    trace = parse(tmp_path / "t.json", events, 2)
    assert microseconds(trace) == {"choose": [3, 3], "yes": [10, 0], "no": [0, 10]}
    branches = {n.name: n.branch for n in trace.nodes}
    assert branches["yes"] != branches["no"]


def test_loop_with_changing_shapes_gives_one_entry_per_shape(tmp_path: Path) -> None:
    events: list[dict] = []
    for turn, length in enumerate((1, 2, 2)):
        shape = [{"float": [length]}]
        events += [
            node("grow", "Relu", 11 + 10 * turn, 5, 0, input_type_shape=shape),
            session(EXECUTE, 10 + 10 * turn, 7),
        ]
    events.append(node("loop", "Loop", 9, 40, 0))
    trace = parse(tmp_path / "t.json", whole_run(0, *events), 1)
    assert [(n.inputs[0].shape, n.calls[0]) for n in trace.nodes if n.name == "grow"] == [
        ((1,), 1),
        ((2,), 2),
    ]


def test_same_microsecond_is_not_taken_for_nesting(tmp_path: Path) -> None:
    run = whole_run(0, node("a", "Relu", 10, 0), node("b", "Add", 10, 0, 1))
    trace = parse(tmp_path / "t.json", run, 1)
    assert [(n.name, n.parent) for n in trace.nodes] == [("a", None), ("b", None)]


def test_parallel_executor_records_no_pass(tmp_path: Path) -> None:
    events = [
        {**node("a", "Relu", 10, 30), "tid": 1},
        {**node("b", "Add", 15, 10, 1), "tid": 2},
        session("model_run", 0, 100),
    ]
    assert microseconds(parse(tmp_path / "t.json", events, 1)) == {"a": [30], "b": [10]}


def test_missing_arguments_are_no_reason_to_fail(tmp_path: Path) -> None:
    bare = {"cat": "Node", "name": "a_kernel_time", "ts": 5, "dur": 2}
    trace = parse(tmp_path / "t.json", [bare, session("model_run", 0, 100)], 1)
    (found,) = trace.nodes
    assert (found.op, found.provider, found.node_index, found.inputs) == ("", "", None, ())
    assert trace.arena_peak_bytes is None


def test_same_name_twice_in_one_run_stays_apart(tmp_path: Path) -> None:
    run = whole_run(0, node("a", "Relu", 10, 3, 4), node("a", "Relu", 20, 4, 5))
    trace = parse(tmp_path / "t.json", run, 1)
    assert [n.durations_s[0] for n in trace.nodes] == pytest.approx([3e-6, 4e-6])


@pytest.mark.parametrize("text", ["", "[{", '{"a": 1}', "[1, 2]"])
def test_broken_file_is_a_measurement_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(MeasurementError):
        parse_profile(path, 1)


def test_a_profile_that_ends_early_keeps_the_complete_runs(tmp_path: Path) -> None:
    events = [
        each
        for start, took in ((0, 9), (200, 5), (400, 6))
        for each in whole_run(start, node("a", "Relu", 10, took))
    ]
    assert microseconds(parse(tmp_path / "t.json", events, 5, 1)) == {"a": [5, 6]}
    assert parse(tmp_path / "t.json", events, 5, 1).first_run == 1
    # Not even the warm-up was complete: its last run is all there is.
    assert microseconds(parse(tmp_path / "t.json", events, 5, 4)) == {"a": [6]}
    assert parse(tmp_path / "t.json", events, 2, 1).first_run == 1


def test_no_complete_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="0 complete runs where 2"):
        parse(tmp_path / "t.json", [node("a", "Relu", 0, 5)], 2)


def test_unreadable_shapes_are_named(tmp_path: Path) -> None:
    run = whole_run(0, node("a", "Relu", 1, 1, output_type_shape=[{"float": ["x"]}]))
    with pytest.raises(MeasurementError, match="shape list"):
        parse(tmp_path / "t.json", run, 1)


def test_real_control_flow_counts_nothing_twice(tmp_path: Path) -> None:
    made = profile_model(control_flow_model(tmp_path / "m.onnx"), tmp_path, runs=4)
    trace = parse_profile(made.trace, 3)
    total = np.sum([n.durations_s for n in trace.nodes], axis=0)
    assert (total <= trace.run_s).all()
    calls = {(n.name, n.parent is None): n.calls.tolist() for n in trace.nodes}
    assert calls["product", False] == [3, 3, 3]
    assert calls["product", True] == [1, 1, 1]
    assert all((n.durations_s >= 0).all() for n in trace.nodes)
    assert trace.arena_peak_bytes
