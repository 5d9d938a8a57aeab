"""`hwprof select`, `adapt` and `predict` from the first to the last step."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hwprof.predictors import pools
from tests.cli.conftest import Result

Cli = Callable[..., Result]


def test_from_selection_to_a_constrained_list(hwprof: Cli, tmp_path: Path) -> None:
    chosen = hwprof("select", "--space", "fbnet", "-k", "8", "--json").json
    assert len(set(chosen)) == 8
    pool = pools.load("fbnet")
    assert pool.names is not None
    truth = dict(zip(pool.names, pool.latency_s[:, pool.devices.index("gold_6226")], strict=True))
    measured = tmp_path / "m.csv"
    rows = [f"{arch},{truth[arch] * 1e3}" for arch in chosen]
    measured.write_text("\n".join(["arch,latency_ms", *rows]))
    done = hwprof("adapt", "--space", "fbnet", "--measurements", measured, "-o", "my.device")
    assert done.code == 0, done.err
    assert "most like" in done.out
    (one,) = hwprof("predict", "--predictor", "my.device", chosen[0], "--json").json
    low, high = one["interval90_s"]
    assert low <= one["mean_s"] <= high
    listed = hwprof("predict", "--predictor", "my.device", "--all", "--top", "5")
    assert listed.code == 0, listed.err
    assert len(listed.out.splitlines()) == 5
    limit = f"{sorted(truth.values())[500] * 1e3}ms"
    some = hwprof(
        *("predict", "--predictor", "my.device", "--all", "--max-latency", limit, "--json")
    ).json
    assert 0 < len(some) < 5000
    latencies = [row["mean_s"] for row in some]
    assert latencies == sorted(latencies)
    none = hwprof("predict", "--predictor", "my.device", "--all", "--max-latency", "1us")
    assert none.code == 2
    assert f"the fastest is '{some[0]['arch']}'" in none.error


def test_what_can_go_wrong(hwprof: Cli, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("arch,latency_s\n")
    assert "darts" in hwprof("select", "--space", "darts").error
    assert "--space" in hwprof("select").error
    nothing = hwprof("adapt", "--space", "fbnet", "--measurements", empty, "-o", "x.device")
    assert "hwprof select" in nothing.error
    assert "x.device" in hwprof("predict", "--predictor", "x.device", "--all").error
    assert "not both" in hwprof("predict", "--predictor", "x.device").error
    assert "--predictor FILE" in hwprof("predict", "--all").error
    both = hwprof("predict", "--predictor", "x.device", "--space", "fbnet", "--all")
    assert "a predictor knows its space" in both.error
    gone = hwprof("select", "--pool", tmp_path / "gone.pool")
    assert gone.code != 0
    assert "gone.pool" in gone.error


def test_a_latency_of_another_unit_needs_a_word(hwprof: Cli, tmp_path: Path) -> None:
    archs = hwprof("select", "--space", "nasbench201", "-k", "3").out.split()
    slow = tmp_path / "slow.csv"
    slow.write_text("arch,latency_s\n" + "".join(f"{a},{9 + i}\n" for i, a in enumerate(archs)))
    wanted = ("adapt", "--space", "nasbench201", "--measurements", slow, "-o", tmp_path / "x")
    refused = hwprof(*wanted)
    assert refused.code == 2
    assert "--any-speed" in refused.error
    assert hwprof(*wanted, "--any-speed").code == 0


@pytest.mark.parametrize("latency", ["nan", "0", "-3", "inf", "abc"])
def test_a_line_without_a_latency_is_named(hwprof: Cli, tmp_path: Path, latency: str) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(f"arch,latency_ms\n|none~0|,{latency}\n")
    done = hwprof("adapt", "--space", "nasbench201", "--measurements", bad, "-o", tmp_path / "x")
    assert done.code != 0
    assert "line 2" in done.error
    assert latency in done.error


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    # In a process of its own: modules that were imported already would not miss it.
    program = (
        "import sys; sys.modules['scipy'] = None\n"
        "from hwprof.cli.app import main; main(['select', '--space', 'fbnet'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert "hwprof[predict]" in done.stderr
    assert "Traceback" not in done.stderr
