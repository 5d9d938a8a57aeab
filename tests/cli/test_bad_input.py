"""Everything a user can get wrong: one line, an exit code, and nothing lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

import hwprof.lut.table as hwprof_lut_table
from hwprof.lut import Table
from tests.cli.conftest import Result
from tests.small_models import mlp_proto

Cli = Callable[..., Result]
QUICK = ("--precision", "0.3", "--budget", "2", "--restarts", "1", "--no-per-op")
LONG = "9" * 5000
"""More digits than Python makes a number of."""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--shape", "x=4,9"), "fixed at 4,8"),
        (("--shape", "x=0,8"), "fixed at 4,8"),
        (("--shape", "x=-4,8"), "dimension -4"),
        (("--shape", "x"), "--shape must look like"),
        (("--shape", "z=1"), "no input 'z'"),
        (("--input", "x"), "--input must look like NAME=VALUE"),
        (("--input", "z=1"), "no input 'z'"),
        (("--input", "x=1", "--input", "x=2"), "gives 'x' twice"),
        (("--input", "x=one"), "no value for an input"),
        (("--input", "x=9..1"), "ends before it begins"),
        (("--input", "x=none.npy"), "no file 'none.npy'"),
        (("--inputs", "none.npz"), "no file 'none.npz'"),
        (("--inputs", "."), "no input_0.pb"),
        (("--batch", "9"), "--batch 9"),
        (("--batch", "0"), "at least 1"),
        (("--device", "npu"), "unknown device 'npu'"),
        (("--device", "cpu:warp=9"), "no option 'warp'"),
        (("--device", "cpu:threads=2", "--threads", "2"), "keep one"),
        (("--threads", "0"), "--threads"),
        (("--restarts", "0"), "restarts must be"),
        (("--budget", "-1"), "budget must be"),
        (("--budget", "soon"), "--budget"),
        (("--precision", "2"), "precision must lie"),
        (("--percentile", "50"), "90, 99, 99.9"),
        (("--pin", "left"), "pin must be"),
        (("--pin", "4095"), "cannot run on processors 4095"),
        (("--pin", LONG), "pin must be"),
        (("--shape", f"x={LONG},8"), "--shape must look like"),
        (("--shape", "x=--5,8"), "--shape must look like"),
        (("--shape", f"x={2**63 - 1},{2**63 - 1}"), "fixed at 4,8"),
        (("--batch", LONG), "is not a whole number of at least 1"),
        (("--batch", "9" * 30), "is not a whole number of at least 1"),
        (("--threads", LONG), "is not a whole number of at least 1"),
        (("--threads", "9" * 19), "threads must be a whole number from 1 to 1024"),
        (("--restarts", LONG), "--restarts"),
        (("--input", f"x={LONG}"), "no value for an input"),
        (("--input", f"x=0..{LONG}"), "no value for an input"),
        (("--device", f"cpu:threads={LONG}"), "threads must be a whole number from 1 to 1024"),
        (("--device", f"tvm-cpu:tune={LONG}"), "tune must be a number of trials"),
        (("--device", f"tensorrt:device={LONG}"), "device must be the number of a GPU"),
        (("--custom-ops", "gone.so"), "there is no file"),
        (("--custom-ops", "/dev/zero"), "is a device or a pipe"),
        (("--lut", "no/such/folder/x.db"), "folder"),
        (("--no-such-option",), "No such option"),
    ],
)
def test_options(hwprof: Cli, mlp: Path, options: tuple[str, ...], says: str) -> None:
    done = hwprof("measure", mlp, *QUICK, *options)
    assert says in done.error
    assert len(done.error) < 1000
    assert done.code == 2


def test_models(hwprof: Cli, tmp_path: Path, squeezenet: Path, dynamic_mlp: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("not a model " * 50)
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(squeezenet.read_bytes()[:5000])
    for path, says in [
        (tmp_path / "missing.onnx", "no file"),
        (tmp_path, "folder"),
        (text, "export or download it again"),
        (cut, "export or download it again"),
        (dynamic_mlp, "--shape x=1,8"),
    ]:
        assert says in hwprof("measure", path, *QUICK).error


def test_models_that_the_runtime_refuses(hwprof: Cli, tmp_path: Path) -> None:
    future = mlp_proto()
    future.opset_import[0].version = 99
    strange = mlp_proto()
    strange.graph.node[0].op_type = "Frobnicate"
    for proto, says in [(future, "opset"), (strange, "Frobnicate")]:
        path = tmp_path / "model.onnx"
        onnx.save(proto, str(path))
        error = hwprof("measure", path, *QUICK).error
        assert says in error
        assert "export " in error


def test_a_model_that_opens_but_does_not_run(hwprof: Cli, tmp_path: Path) -> None:
    # The reshape asks for more elements than there are, which only a run can find.
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "s"], ["y"])],
        "reshape",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("s", TensorProto.INT64, [2]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b"])],
    )
    path = tmp_path / "reshape.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(path),
    )
    asked = hwprof("measure", path, "--shape", "x=7", *QUICK).error
    assert "give it with --input s=" in asked
    error = hwprof("measure", path, "--shape", "x=7", "--input", "s=2,3", *QUICK).error
    assert "opens but does not run" in error


def test_string_inputs(hwprof: Cli, tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "text",
        [helper.make_tensor_value_info("x", TensorProto.STRING, [1])],
        [helper.make_tensor_value_info("y", TensorProto.STRING, [1])],
    )
    path = tmp_path / "text_input.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(path),
    )
    assert "give it with --input x=TEXT" in hwprof("measure", path, *QUICK).error
    assert hwprof("measure", path, "--input", "x=a text", *QUICK).code == 0


def test_tables(hwprof: Cli, mlp: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("not a table " * 100)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as other:
        other.execute("CREATE TABLE friends (name TEXT)")
    other.close()
    newer = tmp_path / "newer.db"
    Table.open(newer).close()
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    for table, says in [
        (text, "text.db"),
        (foreign, "foreign.db"),
        (newer, "newer"),
        (tmp_path, ""),
    ]:
        before = table.read_bytes() if table.is_file() else b""
        for command in (("measure", mlp, *QUICK), ("lut", "show")):
            assert says in hwprof(*command, "--lut", table).error
        assert (table.read_bytes() if table.is_file() else b"") == before
    assert "absent.db" in hwprof("lut", "show", "--lut", "absent.db").error
    assert not Path("absent.db").exists()


def test_exchange(hwprof: Cli, mlp: Path, tmp_path: Path) -> None:
    assert hwprof("measure", mlp, *QUICK).code == 0
    assert "names no format" in hwprof("lut", "export", "-o", "-").error
    assert "names no format" in hwprof("lut", "export", "-o", "x.xlsx").error
    assert "nowhere" in hwprof("lut", "export", "-o", "nowhere/x.csv").error
    stranger = tmp_path / "stranger.csv"
    stranger.write_text("a,b\n1,2\n")
    assert "stranger.csv" in hwprof("lut", "import", stranger).error
    assert "gone.jsonl" in hwprof("lut", "import", "gone.jsonl").error
    assert len(hwprof("lut", "show", "--json").json) == 1


def test_show_and_compare(hwprof: Cli, mlp: Path) -> None:
    assert hwprof("measure", mlp, *QUICK).code == 0
    unknown = hwprof("lut", "show", "ffff")
    assert "no row with the id" in unknown.error
    assert unknown.code == 2
    assert "--kernels needs the ID" in hwprof("lut", "show", "--kernels").error
    assert "lut show" in hwprof("compare", "nothing", "mlp").error
    assert "two model files" in hwprof("compare", mlp, "nothing").error


def test_usage(hwprof: Cli) -> None:
    assert "name the models" in hwprof("measure").error
    assert "No such command" in hwprof("fly").error
    nothing = hwprof()
    assert nothing.code != 0
    assert "measure" in nothing.out + nothing.err


def test_a_full_disk_keeps_what_was_there(
    hwprof: Cli, mlp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hwprof("measure", mlp, *QUICK, "--json").code == 0
    connect = hwprof_lut_table.connect

    def small(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(hwprof_lut_table, "connect", small)
    done = hwprof("measure", mlp, mlp, mlp, *QUICK, "--json")
    assert "space" in done.error
    # Measured but not saved: it is printed all the same.
    assert len(done.json) >= 1
    monkeypatch.setattr(hwprof_lut_table, "connect", connect)
    with Table.open("hwprof.db", create=False) as table:
        assert table.counts()["measurements"] >= 1
