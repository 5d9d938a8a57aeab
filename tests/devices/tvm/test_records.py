"""A folder of schedules from somewhere else holds schedules, or is refused before TVM reads it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hwprof.devices.tvm import TvmCpu
from hwprof.devices.tvm.records import ANNOTATIONS, RECORDS, WORKLOADS, check_records
from hwprof.devices.tvm.tuning import checked_copy
from hwprof.errors import DeviceError
from hwprof.models.load import load_model

TARGET = {"kind": "llvm", "mcpu": "znver3", "num-cores": 4, "keys": ["cpu"]}
TRACE: list[Any] = [
    [
        ["GetSBlock", [], ["conv2d", "main"], ["b0"]],
        ["Annotate", ["b0", '"SSRSRS"'], ["meta_schedule.tiling_structure"], []],
        ["GetLoops", ["b0"], [], ["l1", "l2"]],
        ["SamplePerfectTile", ["l1"], [4, 64], ["v3", "v4", "v5", "v6"]],
        ["Split", ["l1", "v3", "v4", "v5", "v6"], [1, 0], ["l7", "l8", "l9", "l10"]],
        ["SampleCategorical", [], [[0, 16, 64, 512], [0.25, 0.25, 0.25, 0.25]], ["v11"]],
        ["Annotate", ["b0", "v11"], ["meta_schedule.unroll_explicit"], []],
        ["EnterPostproc", [], [], []],
        ["Unannotate", ["b0"], ["meta_schedule.unroll_explicit"], []],
    ],
    [[3, [1, 1, 16, 1]], [5, 2]],
]
IR = '; ModuleID\nmodule asm ".section .init_array"\ndefine void @f() { ret void }'


def write(folder: Path, trace: object = TRACE, target: object = TARGET) -> None:
    record = [0, [trace, [0.1], target, [["TENSOR", "float32", [1, 16]]]]]
    (folder / RECORDS).write_text(json.dumps(record) + "\n", "utf-8")


def refusal(folder: Path) -> str:
    with pytest.raises(DeviceError) as error:
        check_records(folder, "znver3", 4)
    text = str(error.value)
    assert "\n" not in text
    assert "tune=32" in text or "name another one" in text
    return text


def instead(place: int, instruction: object) -> list[Any]:
    instructions = list(TRACE[0])
    instructions[place] = instruction
    return [instructions, TRACE[1]]


def test_a_schedule_is_let_through(tmp_path: Path) -> None:
    write(tmp_path)
    assert set(check_records(tmp_path, "znver3", 4)) == {RECORDS}
    with checked_copy(tmp_path, "znver3", 4) as copy:
        assert (copy / RECORDS).read_bytes() == (tmp_path / RECORDS).read_bytes()
    assert check_records(tmp_path / "empty", "znver3", 4) == {}


def test_an_annotation_that_brings_a_program_is_refused(tmp_path: Path) -> None:
    write(tmp_path, instead(1, ["Annotate", ["b0", IR], ["pragma_import_llvm"], []]))
    assert "holds the annotation 'pragma_import_llvm', which hwprof does not run" in refusal(
        tmp_path
    )
    for key in ("pragma_import_c", "pragma_debug_skip_region", "x", 7, ["a"]):
        write(tmp_path, instead(1, ["Annotate", ["b0", 1], [key], []]))
        refusal(tmp_path)
    # Nor does a known key hold a program.
    write(tmp_path, instead(1, ["Annotate", ["b0", IR], [min(ANNOTATIONS)], []]))
    assert "arguments of an unknown form of Annotate" in refusal(tmp_path)


@pytest.mark.parametrize(
    "instruction",
    [
        ["UnsafeHideBufferAccess", ["b0"], ["read", [0]], []],
        ["TransformLayout", ["b0"], [0, "{}", None, True], []],
        ["AnnotateBufferAccess", ["b0"], [0, "read", "lambda"], []],
        ["Import", [], [], []],
        ["Split", ["l1", "__import__('os')"], [1, 0], []],
        ["Split", ["l1"], [{"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}], []],
        ["Tensorize", ["b0"], ["../../a;b", True], []],
        ["GetLoops", ["b0"], [], ["l1\nimport"]],
        ["GetLoops"],
        7,
        None,
    ],
)
def test_only_known_instructions_are_let_through(instruction: object, tmp_path: Path) -> None:
    write(tmp_path, instead(0, instruction))
    refusal(tmp_path)


@pytest.mark.parametrize(
    "target",
    [
        {**TARGET, "cl-opt": ["-load=evil.so"]},
        {**TARGET, "kind": "c"},
        {**TARGET, "host": {"kind": "llvm"}},
        {**TARGET, "mcpu": 7},
        {**TARGET, "num-cores": "9" * 5000},
        [],
    ],
)
def test_only_known_targets_are_let_through(target: object, tmp_path: Path) -> None:
    write(tmp_path, target=target)
    with pytest.raises(DeviceError):
        check_records(tmp_path, "znver3", 4)


def workload(*kinds: str, packed: bool = False) -> str:
    graph = {"root_index": 0, "nodes": [{"type": kind, "data": {}} for kind in kinds]}
    text = json.dumps(graph)
    raw = len(text).to_bytes(8, "little") + text.encode()
    return json.dumps(["123", base64.b64encode(raw).decode() if packed else text]) + "\n"


@pytest.mark.parametrize("packed", [False, True])
def test_kernels_are_made_of_loops_and_numbers(packed: bool, tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / WORKLOADS
    known = ("ir.IRModule", "tirx.PrimFunc", "tirx.For", "ffi.Map", "ffi.String", "int", "None")
    path.write_text(workload(*known, packed=packed))
    check_records(tmp_path, "znver3", 4)
    for kind in ("ffi.Module", "runtime.Module", "ffi.Function", "ir.EnvFunc", "x", "void*"):
        path.write_text(workload(*known, kind, packed=packed))
        assert f"a part of the type '{kind}'" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["[", "{}", "[1, 2]", '["1", "x"]', '["1", "{}"]', "[" * 5000])
@pytest.mark.parametrize("name", [RECORDS, WORKLOADS])
def test_what_is_no_record_is_refused(name: str, text: str, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / name).write_text(text + "\n")
    assert "is no record of TVM's meta-schedule" in refusal(tmp_path)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / RECORDS)
    assert "cannot be read" in refusal(tmp_path)


def test_the_device_refuses_before_tvm_sees_it(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr("hwprof.devices.tvm.tuning.open_database", opened.append)
    monkeypatch.setattr("hwprof.devices.tvm.compiling.open_database", opened.append)
    write(tmp_path, instead(1, ["Annotate", ["b0", IR], ["pragma_import_llvm"], []]))
    for tune in (0, 2):
        with pytest.raises(DeviceError, match="pragma_import_llvm"):
            TvmCpu(database=tmp_path, tune=tune).open(load_model(mlp))
    assert opened == []


def test_a_folder_changed_after_the_check_is_refused(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What TVM reads is a copy of what was checked, made when it is needed."""
    from hwprof.devices.tvm import tuning

    folder = tmp_path / "schedules"

    def swap(check: Callable[..., None]) -> Callable[..., None]:
        def checked(*arguments: object) -> None:
            check(*arguments)
            write(folder, instead(1, ["Annotate", ["b0", IR], ["pragma_import_llvm"], []]))

        return checked

    folder.mkdir()
    monkeypatch.setattr(tuning, "check_database", swap(tuning.check_database))
    with pytest.raises(DeviceError, match="pragma_import_llvm"):
        TvmCpu(database=folder).open(load_model(mlp))


def test_an_infinite_number_of_threads_is_no_record(tmp_path: Path) -> None:
    write(tmp_path, target=TARGET | {"num-cores": float("inf")})
    assert "is no record of TVM's meta-schedule" in refusal(tmp_path)


def test_a_line_is_not_read_beyond_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    line = (tmp_path / RECORDS).read_bytes().rstrip(b"\n")
    monkeypatch.setattr("hwprof.devices.tvm.records.MOST_LINE_BYTES", len(line))
    assert set(check_records(tmp_path, "znver3", 4)) == {RECORDS}
    monkeypatch.setattr("hwprof.devices.tvm.records.MOST_LINE_BYTES", len(line) - 1)
    assert "is no record of TVM's meta-schedule" in refusal(tmp_path)
