"""`hwprof measure` over several devices, thread counts and batches."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hwprof.lut import Table
from tests.cli.conftest import Result

Cli = Callable[..., Result]
QUICK = ("--precision", "0.3", "--budget", "2", "--no-per-op")


def test_every_combination_is_a_row(hwprof: Cli, dynamic_mlp: Path) -> None:
    done = hwprof(
        "measure", dynamic_mlp, "--device", "cpu", "--device", "cpu:opt=none",
        "--threads", "1,2", "--batch", "1,8", "--restarts", "1", *QUICK, "--json",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    cells = [(r["batch"], r["device"]["options"]["opt"], r["device"]["threads"]) for r in done.json]
    assert cells == [(b, o, t) for b in (1, 8) for o in ("all", "none") for t in (1, 2)]


def test_a_person_sees_ratios_with_intervals(hwprof: Cli, mlp: Path) -> None:
    done = hwprof("measure", mlp, "--device", "cpu", "--device", "cpu:opt=none", *QUICK)
    assert done.code == 0, done.err
    assert "ratio  95 % interval" in done.out
    # On a busy machine the two may end on unlike grounds: then there is a reason for no ratio.
    assert ("no ratio for" in done.out) != (len(re.findall(r"\d\.\d{3} to \d", done.out)) == 1)
    assert "3 restarts" in done.out


def test_a_missing_device_is_a_failure_row_and_the_rest_goes_on(
    hwprof: Cli, mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A package with metadata of its own. Whether its device is available, the worker finds out.
    (tmp_path / "missing.py").write_text(
        "from hwprof.devices.base import Availability\n"
        "from hwprof.devices.onnxruntime import OnnxRuntimeCpu\n"
        "class Missing(OnnxRuntimeCpu):\n"
        "    @classmethod\n"
        "    def availability(cls):\n"
        "        return Availability(False, 'it is not installed; install it')\n"
    )
    info = tmp_path / "missing-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: missing\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[hwprof.devices]\nmissing = missing:Missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), *sys.path)))
    sides = ("--device", "missing", "--device", "cpu")
    done = hwprof("measure", mlp, *sides, "--restarts", "1", *QUICK)
    assert done.code == 1
    assert done.err.startswith("error: missing: device 'missing' is unavailable, because it is not")
    assert "missing" not in sys.modules
    assert "latency" in done.out
    with Table.open("hwprof.db") as table:
        (failure,) = table.failures()
        assert failure.device == "missing"
        assert table.counts()["measurements"] == 1
    alone = hwprof("measure", mlp, "--device", "missing", *QUICK)
    assert alone.code != 0
    assert "is unavailable" in alone.err
    # Refused before any model was read: no second failure is kept.
    with Table.open("hwprof.db") as table:
        assert len(list(table.failures())) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--device", "cpu", "--device", "onnxruntime-cpu"), "twice"),
        (("--device", "cpu", "--device", "cpu:threads=1"), "twice"),
        (("--device", "cpu", "--device", "npu"), "unknown device 'npu'"),
        (("--device", "cpu", "--device", "cpu:opt=most"), "opt must be"),
        (
            ("--device", "cpu", "--device", "cpu:opt=none", "--meter", "nose"),
            "unknown energy meter",
        ),
        (("--threads", "1,1"), "twice"),
        (("--threads", "0"), "not a whole number of at least 1"),
        (("--threads", "1,"), "not a whole number of at least 1"),
        (("--batch", "two"), "not a whole number of at least 1"),
        (("--device", "cpu:threads=2", "--threads", "1,2"), "which sets threads"),
    ],
)
def test_malformed_sweeps_measure_nothing(
    hwprof: Cli, mlp: Path, options: tuple[str, ...], says: str
) -> None:
    done = hwprof("measure", mlp, *options, *QUICK)
    assert done.code != 0
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not Path("hwprof.db").exists()


def test_precisions_are_devices(hwprof: Cli, mlp: Path) -> None:
    sides = [f"cpu:precision={p}" for p in ("native", "fp16", "int8")]
    flags = [flag for side in sides for flag in ("--device", side)]
    done = hwprof("measure", mlp, *flags, "--restarts", "1", *QUICK, "--json")
    assert (done.code, done.err) == (0, "")
    assert [r["device"]["precision"] for r in done.json] == ["native", "fp16", "int8"]
    outputs = [r["provenance"]["outputs"] for r in done.json]
    assert outputs[0] is None
    assert (outputs[1]["precision"], outputs[1]["error"] <= outputs[1]["allowed"]) == ("fp16", True)
    assert (outputs[2]["precision"], outputs[2]["allowed"]) == ("int8", None)
    wrong = hwprof("measure", mlp, "--device", "cpu:precision=int3", *QUICK)
    assert "precision must be one of native, fp16, int8" in wrong.err


def test_installed_devices_are_looked_at(hwprof: Cli) -> None:
    done = hwprof("devices", "--json")
    assert done.code == 0
    listed = {device["name"]: device for device in done.json}
    assert listed["onnxruntime-cpu"]["spec"]["precision"] == "native"
    quick = {device["name"]: device for device in hwprof("devices", "--quick", "--json").json}
    assert quick["onnxruntime-cpu"]["spec"] is None
