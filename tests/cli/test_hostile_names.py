"""Whatever files call things, a terminal is sent text: on no command's output does a name act."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hwprof.cli.printing import complain, say
from hwprof.errors import HwprofError, OptionError
from hwprof.lut import Table
from hwprof.measurement import Failure
from hwprof.report.visible import LONGEST, MESSAGE, escape, escape_each, shortened
from hwprof.testing.examples import example_measurement
from tests.cli.conftest import Result
from tests.cli.test_completion import ask
from tests.report.test_visible import BAD as SEQUENCES
from tests.report.test_visible import COMMANDS, hostile
from tests.small_models import mlp_proto

Cli = Callable[..., Result]
QUICK = ("--precision", "0.5", "--budget", "0.3", "--restarts", "1")

# Beside what a terminal would do: markup of rich's, and a name of an emoji.
BAD = SEQUENCES + " [/] [red]x :warning: "
LONG = BAD + "n" * 100_000
NAME = BAD.replace("/", "")
MARKUP = "[red]0000[/red][/]"
SEEDS = [seed for seed in range(50) if example_measurement(seed).profile is not None][:2]


def check(done: Result) -> Result:
    """Refuse output that acts, forges a line, or never ends."""
    for text in (done.out, done.err):
        # Tabs are between columns alone: those of names are escapes.
        assert not COMMANDS.search(text.replace("\t", " "))
        assert not re.search("^error: forged", text, re.MULTILINE)
        assert "\u26a0" not in text
    assert max(map(len, done.err.splitlines()), default=0) <= MESSAGE + 100
    assert "Traceback" not in done.err
    return done


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table in which everything that may be a text is a bad one."""
    path = tmp_path / "hostile.db"
    with Table.open(path) as made:
        for number, seed in enumerate(SEEDS):
            bad = hostile(seed)
            long = replace(bad.subject, name=LONG + str(number))
            made.add(replace(bad, id=MARKUP + str(number), subject=long))
        made.add_failure(Failure("c" * 32, "d" * 32, bad.created_at, LONG, LONG, LONG))
    return path


def test_a_table(hwprof: Cli, table: Path) -> None:
    shown = check(hwprof("lut", "show", "--lut", table))
    assert "\\x1b]0;owned" in shown.out
    first, second = MARKUP + "0", MARKUP + "1"
    for command in (
        ("lut", "show", first),
        ("lut", "show", first, "--json"),
        ("lut", "show", "--json"),
        ("lut", "export", "-o", "out.jsonl"),
        ("compare", first, second),
        ("compare", first, second, "--json"),
    ):
        # Rows that are made up are unlike.
        allowed = (0, 4) if command[0] == "compare" else (0,)
        assert check(hwprof(*command, "--lut", table)).code in allowed, command
    check(hwprof("lut", "show", first, "--kernels", "--lut", table))
    check(hwprof("lut", "show", LONG, "--lut", table))
    check(hwprof("lut", "show", "--model", LONG, "--lut", table))
    check(hwprof("lut", "import", "out.jsonl", "--lut", "copy.db"))
    check(hwprof("lut", "show", "--lut", "copy.db"))
    arguments = ("--space", "nasbench201", "--measurements", table, "-o", "x")
    check(hwprof("adapt", *arguments))
    check(hwprof("adapt", *arguments, "--device", LONG))


def test_a_table_on_a_terminal(table: Path) -> None:
    for arguments in (
        ("lut", "show"),
        ("lut", "export", "--format", "csv", "-o", "-"),
        ("lut", "export", "--format", "jsonl", "-o", "-"),
        ("lut", "show", LONG[:1000]),
    ):
        text = _on_terminal(table.parent, *arguments, "--lut", table.name)
        assert "]0;owned" in text
        for sequence in ("\x1b]0;", "\x1b[2J", "\x9b", "\u202e", "\nerror: forged"):
            assert sequence not in text, arguments
    refused = _on_terminal(
        table.parent, *("lut", "export", "--format", "parquet", "-o", "-", "--lut", table.name)
    )
    assert "Parquet is not for a terminal" in refused


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_names_that_could_act_are_not_offered_to_a_shell(tmp_path: Path, shell: str) -> None:
    bad = hostile(SEEDS[0])
    names = ["harmless name", BAD, "a\\", "$(id)", "`id`", "it's", 'a"b', "n" * 1000]
    with Table.open(tmp_path / "hwprof.db") as made:
        for number, name in enumerate(names):
            subject = replace(bad.subject, name=name)
            made.add(replace(bad, id=f"{number:032x}", subject=subject))
    offered = ask(tmp_path, shell, "hwprof", "lut", "show", "--model", "")
    expected = {
        "bash": ["harmless\\ name"],
        "zsh": ["""_arguments '*: :(("harmless name"))'"""],
        "fish": ["harmless name"],
    }
    assert offered == expected[shell]
    (tmp_path / "$(id).onnx").touch()
    (tmp_path / "fine.onnx").touch()
    shown = "\n".join(ask(tmp_path, shell, "hwprof", "compare", ""))
    assert "fine.onnx" in shown
    assert "id)" not in shown


def test_a_model(hwprof: Cli, tmp_path: Path) -> None:
    names = {"x": LONG, "mm": LONG + "mm", "add": BAD + "add", "y": BAD + "y"}
    path = tmp_path / f"{NAME}.onnx"
    onnx.save(_renamed(mlp_proto(), names), str(path))
    measured = check(hwprof("measure", path, *QUICK))
    assert measured.code == 0, measured.err
    assert "more ..." in measured.out
    check(hwprof("lut", "show"))
    with Table.open("hwprof.db", readonly=True, create=False) as kept:
        (identity,) = kept.ids()
    assert check(hwprof("lut", "show", identity, "--kernels")).code == 0
    check(hwprof("measure", path, "--shape", f"{BAD}=1", *QUICK))


def test_a_model_that_is_refused(hwprof: Cli, tmp_path: Path) -> None:
    strange = mlp_proto()
    strange.graph.node[0].op_type = LONG
    strange.graph.node[0].name = LONG
    foreign = mlp_proto()
    foreign.graph.node[0].op_type = BAD
    foreign.graph.node[0].domain = BAD
    foreign.opset_import.append(helper.make_opsetid(BAD, 1))
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "s"], ["y"], name=LONG)],
        BAD,
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [7]),
            helper.make_tensor_value_info("s", TensorProto.INT64, [2]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [LONG, BAD])],
    )
    failing = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for proto, options in (
        (strange, ()),
        (foreign, ()),
        (failing, ("--input", "s=2,3")),
        (mlp_proto(LONG), ()),
        (mlp_proto(BAD), ("--batch", "2", "--shape", "x=3,8")),
    ):
        path = tmp_path / f"{NAME}.onnx"
        onnx.save(proto, str(path))
        assert check(hwprof("measure", path, *options, *QUICK)).code != 0


def test_values_of_inputs(hwprof: Cli, mlp: Path, tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.npz"
    np.savez(path, **{NAME: np.zeros(3), "x": np.zeros((4, 9), np.float32)})
    assert check(hwprof("measure", mlp, "--inputs", path, *QUICK)).code == 2
    broken = tmp_path / f"{NAME}.npy"
    broken.write_text(LONG)
    assert check(hwprof("measure", mlp, "--input", f"x={broken}", *QUICK)).code == 2


def test_measurements_and_predictors(hwprof: Cli, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(f'arch,latency_ms\n"{LONG}",1\n', newline="")
    arguments = ("adapt", "--space", "nasbench201", "-o", "x", "--measurements")
    assert check(hwprof(*arguments, rows)).code == 2
    rows.write_text(f'arch,latency_ms\n|none~0|,"{LONG}"\n', newline="")
    assert check(hwprof(*arguments, rows)).code == 2
    table = tmp_path / f"{NAME}.csv"
    table.write_text(f"{LONG},b\n1,2\n")
    assert check(hwprof("lut", "import", table)).code == 2
    predictor = tmp_path / NAME
    predictor.write_text(LONG)
    assert check(hwprof("predict", "--predictor", predictor, "--all")).code == 2
    assert check(hwprof("predict", "--predictor", LONG, LONG)).code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        (LONG,),
        ("measure", LONG),
        ("measure", "m.onnx", "--device", LONG),
        ("measure", "m.onnx", "--device", f"cpu:{LONG}=1"),
        ("measure", "m.onnx", "--device", f"cpu:opt={LONG}"),
        ("measure", "m.onnx", "--threads", LONG),
        ("measure", "m.onnx", "--shape", LONG),
        ("measure", "m.onnx", "--input", LONG),
        ("measure", "m.onnx", "--meter", LONG),
        ("measure", "m.onnx", "--pin", LONG),
        ("measure", "--space", LONG, "--arch", "x"),
        ("measure", "--space", "nasbench201", "--arch", LONG),
        ("compare", LONG, BAD),
        ("lut", "show", "--lut", LONG),
        ("lut", "show", "--since", LONG),
        ("lut", "export", "-o", LONG),
        ("lut", "import", LONG),
        ("select", "--space", LONG),
        ("example", "-o", LONG),
    ],
)
def test_what_is_typed(hwprof: Cli, arguments: tuple[str, ...]) -> None:
    assert check(hwprof(*arguments)).code == 2


def test_an_error_of_the_python_interface_prints_no_sequence() -> None:
    error = OptionError(f"no input '{BAD}'")
    assert not COMMANDS.search(str(error))
    assert str(error).startswith("no input '\\x1b]0;owned")
    assert str(HwprofError("层 'a'")) == "层 'a'"


def test_long_names_are_shortened_and_say_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shortened("n" * LONGEST) == "n" * LONGEST
    short = shortened("a" * 600 + "b" * 600)
    assert short.startswith("aaa")
    assert short.endswith("bbb")
    assert " ... 200 more ... " in short
    assert len(escape("x" * 100_000)) < LONGEST + 50
    assert escape_each(["[red]", "b"]) == "\\[red], b"
    complain("it " + "n" * 100_000 + "; do something else")
    assert capsys.readouterr().err.endswith("; do something else\n")
    # A program that reads what is printed gets all of it.
    say("n" * 100_000)
    assert len(capsys.readouterr().out) == 100_001
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    say("n" * 100_000 + "\nb")
    assert len(capsys.readouterr().out) < LONGEST + 50


def _renamed(proto: onnx.ModelProto, names: dict[str, str]) -> onnx.ModelProto:
    """The model with inputs, outputs and nodes called something else."""
    graph = proto.graph
    for each in (*graph.input, *graph.output):
        each.name = names.get(each.name, each.name)
    for node in graph.node:
        node.name = names.get(node.name, node.name)
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return proto


def _on_terminal(folder: Path, *arguments: str) -> str:
    """What a command writes to a terminal, its errors included."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hwprof", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
    )
    os.close(slave)
    parts = []
    # The terminal's end is an error on Linux.
    try:
        while part := os.read(master, 1 << 16):
            parts.append(part)
    except OSError:
        process.wait()
    finally:
        os.close(master)
    return b"".join(parts).decode("utf-8", "replace")
