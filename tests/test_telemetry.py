"""Every process of hwprof's own runs with the opt-outs, and a user's choice is left alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hwprof
from hwprof.targets.process import ProcessStream
from hwprof.telemetry import ONNX_RUNTIME, OPT_OUTS, opt_out, opted_out

SHOW = f"import os; print(os.environ.get('{ONNX_RUNTIME}'))"


def test_what_is_set_already_stays() -> None:
    assert opted_out({}) == OPT_OUTS
    chosen = {ONNX_RUNTIME: "0", "HOME": "/home/me"}
    assert opted_out(chosen) == {**OPT_OUTS, **chosen}
    assert chosen == {ONNX_RUNTIME: "0", "HOME": "/home/me"}


def test_a_process_opts_out_of_what_it_is_about_to_import(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OPT_OUTS:
        monkeypatch.delenv(name, raising=False)
    opt_out(ONNX_RUNTIME)
    assert [name for name in OPT_OUTS if name in os.environ] == [ONNX_RUNTIME]
    monkeypatch.setenv(ONNX_RUNTIME, "0")
    opt_out()
    assert {name: os.environ[name] for name in OPT_OUTS} == {**OPT_OUTS, ONNX_RUNTIME: "0"}


@pytest.mark.parametrize(("given", "seen"), [({}, b"1\n"), ({ONNX_RUNTIME: "0"}, b"0\n")])
def test_workers_run_with_it(given: dict[str, str], seen: bytes) -> None:
    stream = ProcessStream((sys.executable, "-c", SHOW), given)
    try:
        assert stream.read_line(100, 60.0) == seen
    finally:
        stream.close()


@pytest.mark.parametrize(
    ("program", "seen"),
    [
        ("import hwprof", "None"),
        ("import hwprof.cli", "None"),
        ("from hwprof.cli.app import run; run(['--version'])", "1"),
        (
            "from hwprof.devices.onnxruntime.runtime import import_runtime as found\nfound()",
            "1",
        ),
    ],
)
def test_nothing_is_set_before_it_is_needed(program: str, seen: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{SHOW}"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(hwprof.__file__).parents[1])},
    )
    assert done.stdout.splitlines()[-1] == seen


def test_whoever_imports_onnx_runtime_opts_out_first() -> None:
    importing = re.compile(r"^\s+(?:import onnxruntime|from onnxruntime)\b", re.MULTILINE)
    found = 0
    for file in Path(hwprof.__file__).parent.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if importing.search(text):
            found += 1
            assert re.search(r"^\s+opt_out\(", text, re.MULTILINE), file
    assert found >= 4
